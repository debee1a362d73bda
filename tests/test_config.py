"""`[tool.lockhouse]` says what it says, and what it cannot say is an error that names the key."""

from pathlib import Path, PurePosixPath

import pytest

from lockhouse import config
from lockhouse.errors import ConfigError, UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").touch()
    (tmp_path / "requirements" / "dev.in").touch()
    return tmp_path


def configured(root: Path, text: str) -> config.Config:
    (root / "pyproject.toml").write_text(f"[tool.lockhouse]\n{text}\n", encoding="utf-8")
    return config.load(root)


def test_without_any_configuration_the_usual_layout_counts(root):
    found = config.load(root)
    assert list(found.layers) == ["dev", "main"]
    assert found.layers["dev"].lock == PurePosixPath("requirements/dev.txt")
    assert found.layers["dev"].sources == (PurePosixPath("requirements/dev.in"),)
    assert found.environments is None
    assert found.wheelhouse == root / "wheelhouse"
    assert found.venv == root / ".venv"
    assert found.connections == config.CONNECTIONS
    assert found.python is None
    assert configured(root, 'python = "3.11"').python == "3.11"


def test_what_editors_leave_beside_sources_is_no_layer(root):
    (root / "requirements" / ".#main.in").symlink_to("nobody@nowhere")
    (root / "requirements" / "._main.in").write_bytes(b"\0")
    (root / "requirements" / "folder.in").mkdir()
    assert list(config.load(root).layers) == ["dev", "main"]


def test_a_pyproject_without_our_table_changes_nothing(root):
    (root / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    assert list(config.load(root).layers) == ["dev", "main"]


def test_layers_can_be_anywhere(root):
    found = configured(
        root,
        'layers.app = { lock = "services/app/requirements.txt", sources = ["services/app/a.in", "b.in"] }\n'
        'layers.plain = { lock = "vendor.txt", sources = [] }\nlayers.short = {}',
    )
    assert found.layers["app"].sources == (PurePosixPath("services/app/a.in"), PurePosixPath("b.in"))
    assert found.layers["plain"].sources == ()
    assert found.layers["short"].lock == PurePosixPath("requirements/short.txt")
    assert found.layers["short"].sources == (PurePosixPath("requirements/short.in"),)


def test_a_layer_that_no_environment_names_is_one_of_its_own(root):
    found = configured(root, 'environments = { default = ["main"] }')
    assert found.environments == {"default": ("main",), "dev": ("dev",)}


def test_local_projects_are_folders_with_extras(root):
    found = configured(root, 'local = [".", "../common", "./svc[B_1, a]"]\neditable = false')
    assert [str(folder.path) for folder in found.local] == [".", "../common", "svc"]
    assert [sorted(folder.extras) for folder in found.local] == [[], [], ["a", "b-1"]]
    assert found.editable is False
    assert config.load(configured(root, "").root).editable is True


@pytest.mark.parametrize("word", ["dev", "requirements/dev.txt", "requirements/dev.in"])
def test_a_layer_is_named_by_its_name_or_its_files(root, word):
    assert config.load(root).layer(word).name == "dev"


def test_an_unknown_layer_names_the_nearest(root):
    with pytest.raises(UsageError, match="no layer 'dve'") as caught:
        config.load(root).layer("dve")
    assert caught.value.hint == "did you mean 'dev'?"
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("wheelhose = 'w'", "unknown key 'wheelhose'", "did you mean 'wheelhouse'?"),
        ("zzz = 1", "unknown key 'zzz'", "the keys are: accept, build-isolation"),
        ("connections = 0", "'connections' should be a whole number above 0, not 0", None),
        ("connections = true", "'connections' should be a whole number above 0, not True", None),
        ("wheelhouse = 3", "'wheelhouse' should be a string, not 3", None),
        ("wheelhouse = '.'", "'wheelhouse' must be a directory of its own", None),
        ("wheelhouse = '..'", "'wheelhouse' must be a directory of its own", None),
        ("venv = ''", "'venv' should be a string, not ''", None),
        ("find-links = 'x'", "'find-links' should be an array of strings, not 'x'", None),
        ("find-links = [1]", "'find-links' should be an array of strings", None),
        ("environments = 1", "'environments' should be a table, not 1", None),
        ("environments = { a = ['mian'] }", "names the layer 'mian'", "did you mean 'main'?"),
        ("layers.a = { lcok = 'x' }", "unknown key 'lcok' in 'layers.a'", "did you mean 'lock'?"),
        ("layers.a = 'x'", "'a' should be a table, not 'x'", None),
        ("layers.a = { lock = 'requirements/main.in' }", "requirements/main.in is a source of the layer 'a'", "-c"),
        ("layers.a = { lock = 'x.txt' }\nlayers.b = { lock = 'x.txt' }", "have the same lock x.txt", None),
        ("local = '.'", "'local' should be an array of strings, not '.'", None),
        ("local = ['/abs']", "'local' names no folder by '/abs'", "relative to the project's root"),
        ("local = ['']", "'local' names no folder by ''", "extras behind it"),
        ("local = ['a[b c]']", "'local' names no folder by 'a[b c]'", None),
        ("local = ['a', './a[x]']", "'local' names the folder 'a' twice", None),
        ("editable = 'no'", "'editable' should be true or false, not 'no'", None),
        (
            "layers.a = { constraints = ['b'] }",
            "'constraints' of 'a' names the layer 'b', which is not there",
            "are: a",
        ),
        ("layers.a = { sources = [], constraints = ['a'] }", "has constraints, but no sources", None),
        ("layers.a = { sources = ['pyproject.toml[a b]'] }", "the source 'pyproject.toml[a b]' of the layer 'a'", None),
        ("environments = { a = [] }", "'environments.a' has no layers", None),
        ('venv = "a\\u0000b"', "'venv' should be a string", None),
        ("python = 3.11", "'python' should be a string, not 3.11", "in quotes"),
        ("python = '3.11.4'", "'python' should be a series of Python 3, as 3.11 is, not '3.11.4'", None),
        ("python = '3.011'", "not '3.011'", None),
        ("python = '2.7'", "not '2.7'", None),
        ("python = '>=3.11'", "not '>=3.11'", None),
        ("python = ''", "not ''", None),
        ("= 1", "not valid TOML", None),
    ],
)
def test_what_cannot_be_meant_is_refused(root, text, reason, hint):
    with pytest.raises(ConfigError) as caught:
        configured(root, text)
    assert reason in str(caught.value)
    assert str(caught.value).startswith("pyproject.toml: ")
    assert caught.value.exit_status == 2
    assert hint is None or hint in (caught.value.hint or "")


def test_a_project_without_anything_to_lock_says_how_to_begin(tmp_path):
    with pytest.raises(ConfigError, match="nothing to lock") as caught:
        config.load(tmp_path)
    assert "requirements/main.in" in (caught.value.hint or "")


def test_a_source_that_is_not_there_is_named(root, environ):
    from lockhouse import project

    found = configured(root, 'layers.main = { sources = ["requirements/mian.in"] }')
    with pytest.raises(ConfigError, match=r"requirements/mian\.in: the layer 'main' has no such source") as caught:
        project.read(found, environ)
    assert "requirements/main.in" in (caught.value.hint or "")


def test_layers_in_a_circle_are_refused(root, environ):
    from lockhouse import project

    (root / "requirements" / "main.in").write_text("-c dev.txt\n", encoding="utf-8")
    (root / "requirements" / "dev.in").write_text("-c main.txt\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"in a circle: (main -> dev -> main|dev -> main -> dev)"):
        project.read(config.load(root), environ)


def test_layers_joined_by_their_sources_form_one_environment(root, environ):
    from lockhouse import project

    (root / "requirements" / "dev.in").write_text("-c main.txt\n", encoding="utf-8")
    (root / "requirements" / "docs.in").touch()
    (root / "requirements" / "extra.in").write_text("-r dev.in\n", encoding="utf-8")
    found = project.read(config.load(root), environ)
    assert {frozenset(members) for members in found.environments.values()} == {
        frozenset({"main", "dev", "extra"}),
        frozenset({"docs"}),
    }
    order = list(found.layers)
    assert order.index("main") < order.index("dev") < order.index("extra")
    # Nobody said which of the two; the layer called `main` is what people mean.
    assert [layer.name for layer in found.environment(())] == ["main", "dev", "extra"]
    with pytest.raises(UsageError, match="do not belong to one environment"):
        found.environment(("main", "docs"))
    assert [layer.name for layer in found.environment(("dev", "main"))] == ["main", "dev"]


def test_the_one_environment_or_the_default_is_installed(root, environ):
    from lockhouse import project

    (root / "requirements" / "dev.in").write_text("-c main.txt\n", encoding="utf-8")
    assert [layer.name for layer in project.read(config.load(root), environ).environment(())] == ["main", "dev"]
    split = configured(root, 'environments = { default = ["main"], all = ["dev", "main"] }')
    assert [layer.name for layer in project.read(split, environ).environment(())] == ["main"]
