"""What moved between two states of the locks is said, and what looks like an attack first; in real repositories."""

import doctest
import io
import json
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from lockhouse import cli
from lockhouse.formats import moved, moved_markdown
from support.project import Project

ROOT = Path(__file__).resolve().parents[1]
A, B, C = (letter * 64 for letter in "abc")
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Somebody"), ("EMAIL", "somebody@example.com"))
}


def pin(text: str, *hashes: str) -> str:
    return text + "".join(f" \\\n    --hash=sha256:{digest}" for digest in hashes) + "\n    # via -r main.in\n"


def build(digest: str, *, name: str = "docopt-0.6.2", sdist: str = A, lock: str = B) -> str:
    return f"{name}-py3-none-any.whl sha256:{digest} from {name}.tar.gz sha256:{sdist} with sha256:{lock}\n"


class Repository(Project):
    """A project under git."""

    def git(self, *argv: str) -> str:
        done = self.execute("git", *argv, env=IDENTITY | {"GIT_CONFIG_NOSYSTEM": "1"})
        assert done.status == 0, done
        return done.stdout.strip()

    def lock(self, *pins: str, layer: str = "main") -> None:
        self.write(f"requirements/{layer}.in", "six\n")
        self.write(f"requirements/{layer}.txt", "".join(pins))

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a state")

    def said(self, *argv: str, status: int = 0) -> str:
        done = self.call("diff", *argv)
        assert (done.status, done.stderr) == (status, ""), done
        return done.stdout

    def told(self, *argv: str) -> Any:
        return json.loads(self.said("--format", "json", *argv))

    def refused(self, *argv: str, status: int) -> str:
        done = self.call("diff", *argv)
        assert (done.status, done.stdout) == (status, ""), done
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def repository(tmp_path, environ):
    made = Repository(tmp_path / "project", environ)
    made.git("init", "-q", "-b", "trunk")
    made.lock(pin("six==1.9", A))
    made.commit()
    return made


@pytest.mark.parametrize("module", [moved, moved_markdown])
def test_doctests(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_nothing_moved_is_said_and_comments_and_order_do_not_count(repository):
    repository.lock(pin("six==1.9", A), pin("attrs==1.0", B, C))
    repository.commit()
    repository.lock("# by hand\n", pin("attrs==1.0.0", C, B), pin("Six==1.9", A).replace("main.in", "other.in"))
    assert repository.said() == "nothing moved between HEAD and the working tree\n"
    assert repository.said("--exit-code") == "nothing moved between HEAD and the working tree\n"
    assert repository.told()["moved"] is False
    assert "nothing moved" in repository.said("--format", "markdown")


def test_what_came_went_and_moved_is_told_apart_by_version_not_by_text(repository):
    repository.lock(pin("six==1.9", A), pin("down==1.10", A), pin("gone==1", A))
    repository.commit()
    repository.lock(pin("six==1.10", B), pin("down==1.9", B), pin("new==1", A))
    out = repository.said()
    assert out.splitlines() == [
        "main (requirements/main.txt): 4 pins moved",
        "  downgraded  down  1.10 -> 1.9",
        "  removed     gone  1    -> gone",
        "  added       new   -    -> 1",
        "  upgraded    six   1.9  -> 1.10",
        "",
        "HEAD -> the working tree: 1 added, 1 removed, 1 upgraded, 1 downgraded; 1 lock touched",
    ]
    assert repository.said("--exit-code", status=1) == out


def test_other_hashes_at_the_same_version_come_first_and_loud(repository):
    repository.lock(pin("six==1.9", B), pin("attrs==1", A))
    out = repository.said()
    assert out.startswith("warning: other hashes at the same version")
    assert f"requirements/main.txt: six 1.9\n    - sha256:{A}\n    + sha256:{B}\n  hint: " in out
    told = repository.told()
    assert told["warning"] is True
    (change,) = told["locks"][0]["hashes"]
    assert change == {
        "name": "six",
        "version": "1.9",
        "severity": "warning",
        "added": [f"sha256:{B}"],
        "removed": [f"sha256:{A}"],
    }
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    cli.run(["diff"], cwd=repository.root, environ=repository.environ, stdout=terminal, stderr=io.StringIO())
    assert terminal.getvalue().startswith("\x1b[31m\x1b[1mwarning: ")


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        ((A,), (A, B), "note"),
        ((A, B), (A,), "note"),
        ((), (A,), "note"),
        ((A,), (), "warning"),
        ((A, B), (A, C), "warning"),
    ],
)
def test_hashes_that_only_come_or_only_go_are_named_without_alarm(repository, before, after, severity):
    repository.lock(pin("six==1.9", *before))
    repository.commit()
    repository.lock(pin("six==1.9", *after))
    assert repository.said().startswith("warning: " if severity == "warning" else "note: ")
    assert [each["severity"] for each in repository.told()["locks"][0]["hashes"]] == [severity]


def test_a_pin_that_changes_its_lock_does_not_change_its_bytes_unseen(repository):
    repository.lock("", layer="main")
    repository.lock(pin("six==1.9", B), layer="dev")
    assert "requirements/dev.txt: six 1.9" in repository.said().partition("hint:")[0]
    assert repository.told()["warning"] is True
    repository.lock(pin("six==1.9", A, B), layer="dev")
    assert repository.told()["warning"] is False


def test_extras_markers_and_urls_that_change_are_named_without_credentials(repository):
    repository.lock(pin("six==1.9", A), pin("app @ https://me:secret@pkgs.example.com/app-1.0.zip?sig=abc", A))
    repository.commit()
    repository.lock(
        pin('six[b,a]===1.9 ; python_version < "4"', A),
        pin("app @ https://me:terces@other.example.com/app-1.0.zip?sig=cba", A),
    )
    for form in ("text", "markdown", "json"):
        out = repository.said("--format", form)
        assert "other.example.com/app-1.0.zip" in out
        assert not any(word in out for word in ("secret", "terces", "abc", "cba"))
    assert 'six  1.9 -> 1.9  extras: none -> a,b; marker: none -> python_version < "4"; operator' in repository.said()


def test_a_url_whose_credentials_alone_change_is_named_and_nothing_of_it_shown(repository):
    repository.lock(pin("app @ https://me:secret@pkgs.example.com/app-1.0.zip", A))
    repository.commit()
    repository.lock(pin("app @ https://me:terces@pkgs.example.com/app-1.0.zip", A))
    assert "URL (in what is not shown)" in repository.said()


def test_pins_of_one_project_are_paired_by_their_markers_then_by_version(repository):
    repository.lock(pin('six==1 ; os_name == "nt"', A), pin('six==2 ; os_name != "nt"', B))
    repository.commit()
    repository.lock(pin('six==3 ; os_name != "nt"', C), pin('six==4 ; os_name == "nt"', C))
    moves = {(each["before"]["version"], each["after"]["version"]) for each in repository.told()["locks"][0]["pins"]}
    assert moves == {("1", "4"), ("2", "3")}
    repository.lock(pin('six==2 ; python_version < "4"', B), pin('six==4 ; python_version >= "4"', C))
    pins = repository.told()["locks"][0]["pins"]
    assert [(each["kind"], each["changed"]) for each in pins] == [("changed", ["marker"]), ("upgraded", ["marker"])]


def test_lines_that_are_no_pins_are_not_overlooked(repository):
    repository.write("requirements/main.txt", "six>=1\ngit+https://me:secret@code.example.com/a@1#egg=a\n")
    repository.commit()
    repository.write(
        "requirements/main.txt",
        "--extra-index-url https://me:secret@evil.example.com/\nsix>=2\ngit+https://me:secret@code.example.com/a@2#egg=a\n-e .\n",
    )
    out = repository.said()
    assert "added       --extra-index-url https://****@evil.example.com/" in out
    assert "removed     six>=1" in out
    assert "added       git+https://****@code.example.com/a@2#egg=a" in out
    assert "added       -e ." in out
    assert "secret" not in out


def test_what_a_lock_includes_belongs_to_it_on_both_sides(repository):
    repository.write("more/extra.txt", pin("attrs==1", A))
    repository.lock(pin("six==1.9", A), "-r ../more/extra.txt\n")
    repository.commit()
    repository.write("more/extra.txt", pin("attrs==1", B))
    assert "attrs 1" in repository.said().partition("hint:")[0]


def test_layers_that_come_and_go_are_named_as_such(repository):
    repository.lock(pin("attrs==1", A), layer="dev")
    repository.git("tag", "before")
    assert "dev (requirements/dev.txt): lock added, 1 pin moved" in repository.said()
    repository.commit()
    repository.lock(pin("cffi==1", A), layer="docs")
    (repository.root / "requirements/dev.in").unlink()
    (repository.root / "requirements/dev.txt").unlink()
    assert {(each["layer"], each["status"]) for each in repository.told()["locks"]} == {
        ("dev", "removed"),
        ("docs", "added"),
    }
    assert {each["layer"] for each in repository.told("before", "HEAD")["locks"]} == {"dev"}
    assert {each["layer"] for each in repository.told("--layer", "dev")["locks"]} == {"dev"}
    assert "did you mean 'docs'" in repository.refused("--layer", "doc", status=2)


def test_build_locks_and_record_are_compared_too(repository):
    repository.write("requirements/build/docopt.txt", pin("setuptools==80", A))
    repository.write("requirements/built.sum", build(A) + build(A, name="gone-1.0") + build(A, name="moved-1.0"))
    repository.commit()
    repository.write("requirements/build/docopt.txt", pin("setuptools==81", B))
    repository.write("requirements/built.sum", build(B) + build(A, name="new-1.0") + build(B, name="moved-1.0", lock=C))
    told = repository.told()
    assert [(each["layer"], each["pins"][0]["kind"]) for each in told["locks"]] == [("build/docopt", "upgraded")]
    assert {
        ((each["after"] or each["before"])["wheel"].partition("-")[0], each["kind"], each["severity"])
        for each in told["record"]
    } == {
        ("docopt", "changed", "warning"),
        ("gone", "removed", "note"),
        ("moved", "changed", "note"),
        ("new", "added", "note"),
    }
    out = repository.said()
    assert f"requirements/built.sum: docopt-0.6.2-py3-none-any.whl\n    - sha256:{A}\n    + sha256:{B}" in out
    assert "the build lock changed" in out
    assert "docopt-0.6.2-py3-none-any.whl" in repository.said("--format", "markdown").partition("####")[0]
    assert repository.told("--layer", "main")["moved"] is False
    assert [each["layer"] for each in repository.told("--layer", "build/docopt")["locks"]] == ["build/docopt"]


def test_revisions_are_named_as_in_git(repository):
    repository.git("branch", "side")
    repository.lock(pin("six==1.10", B))
    repository.commit()
    repository.git("checkout", "-q", "side")
    repository.lock(pin("six==1.9", A), pin("attrs==1", A))
    repository.commit()
    pins = lambda *words: {  # noqa: E731
        (each["name"], each["kind"]) for lock in repository.told(*words)["locks"] for each in lock["pins"]
    }
    assert pins("HEAD~1") == pins("HEAD~1..") == pins("trunk...side") == pins("trunk...") == {("attrs", "added")}
    assert (
        pins("trunk", "side") == pins("trunk..side") == pins("trunk..") == {("attrs", "added"), ("six", "downgraded")}
    )
    assert pins("..trunk") == {("attrs", "removed"), ("six", "upgraded")}


def test_files_are_compared_without_git_and_without_a_project(tmp_path, environ):
    folder = Repository(tmp_path / "plain", environ)
    folder.write("old.txt", pin("six==1.9", A))
    folder.write("new.txt", pin("six==1.10", A))
    assert "new.txt: 1 pin moved\n  upgraded  six  1.9 -> 1.10" in folder.said("old.txt", "new.txt")
    err = folder.refused("old.txt", "nowhere.txt", status=1)
    assert "cannot read 'nowhere.txt' as a revision: git: not a git repository" in err
    assert "there is no file './nowhere.txt'" in folder.refused("old.txt", "./nowhere.txt", status=2)
    assert "leave --layer out" in folder.refused("old.txt", "new.txt", "--layer", "main", status=2)


def test_one_file_is_compared_with_the_lock_of_one_layer(repository):
    repository.write("old.txt", pin("six==1.8", A))
    assert "upgraded  six  1.8 -> 1.9" in repository.said("old.txt")
    assert "downgraded  six  1.9 -> 1.8" in repository.said("HEAD", "old.txt")
    repository.lock(pin("six==1.10", A), layer="dev")
    assert "--layer NAME" in repository.refused("old.txt", status=2)
    assert "upgraded  six  1.8 -> 1.10" in repository.said("old.txt", "--layer", "dev")


def test_a_word_that_is_file_and_revision_is_refused_with_both_spellings(repository):
    repository.write("both", pin("six==1.8", A))
    repository.git("branch", "both")
    err = repository.refused("both", status=2)
    assert "hint: write ./both for the file, and refs/heads/both or both~0 for the revision" in err
    assert "upgraded  six  1.8 -> 1.9" in repository.said("./both")
    assert "nothing moved" in repository.said("refs/heads/both")
    repository.git("branch", "requirements")
    assert "nothing moved" in repository.said("requirements")


def test_what_is_no_revision_is_said_and_no_option_of_gits(repository, tmp_path):
    assert "'nope' is no file, and no revision" in repository.refused("nope", status=2)
    assert "'--output=x' is no file" in repository.refused("--", "--output=x", status=2)
    assert "more than two states" in repository.refused("HEAD", "HEAD", "HEAD", status=2)
    shallow = Repository(tmp_path / "shallow", repository.environ)
    repository.commit()
    shallow.git("clone", "-q", "--depth=1", f"file://{repository.root}", ".")
    assert "git fetch --unshallow" in shallow.refused("HEAD~1", status=2)
    repository.git("checkout", "-q", "--orphan", "alone")
    repository.lock(pin("six==1.10", A))
    repository.commit()
    assert "no commit in common" in repository.refused("trunk...alone", status=2)


def test_without_git_a_repository_or_a_commit_the_answer_is_an_error_that_helps(tmp_path, environ):
    plain = Repository(tmp_path / "plain", environ)
    plain.lock(pin("six==1.9", A))
    assert "not a git repository" in plain.refused(status=1)
    plain.git("init", "-q")
    assert "there is no commit yet" in plain.refused(status=2)
    plain.environ["PATH"] = str(tmp_path)
    assert "git cannot be run" in plain.refused(status=1)


def test_a_line_that_cannot_be_read_is_named_with_its_side(repository):
    repository.write("requirements/main.txt", "six==1.9\n???\n")
    repository.write("requirements/built.sum", "nonsense\n")
    assert "error: requirements/main.txt:2: " in repository.refused(status=1)
    repository.commit()
    repository.lock(pin("six==1.9", A))
    assert "error: HEAD:requirements/main.txt:2: " in repository.refused(status=1)
    repository.commit()
    assert "error: HEAD~1:requirements/main.txt:2: " in repository.refused("HEAD~1", "HEAD~2", status=1)
    assert "error: HEAD:requirements/built.sum:1: " in repository.refused(status=1)
    repository.lock("-r gone.txt\n")
    repository.commit()
    assert (
        "error: HEAD:requirements/main.txt:1: cannot read HEAD:requirements/gone.txt: there is no"
        in repository.refused(status=1)
    )


def test_the_project_may_lie_below_the_repositorys_top_and_git_hooks_may_run_it(tmp_path, repository):
    below = Repository(repository.root / "apps" / "one", repository.environ)
    below.lock(pin("six==1.9", A))
    assert "lock added" in below.said()
    below.commit()
    below.lock(pin("six==1.10", A))
    assert "upgraded  six" in below.said()
    hook = {"GIT_DIR": str(tmp_path / "elsewhere"), "GIT_INDEX_FILE": "x", "GIT_WORK_TREE": str(tmp_path)}
    assert below.call("diff", env=hook).stdout == below.said()
    repository.lock(pin("six==1.9", A))
    below.write(
        "pyproject.toml", '[tool.lockhouse.layers]\nup = { lock = "../../requirements/main.txt", sources = [] }\n'
    )
    assert "nothing moved" in below.said()


def test_git_runs_no_filter_and_links_are_followed(repository):
    repository.write(".gitattributes", "*.txt diff=evil filter=evil\n")
    repository.git("config", "diff.evil.textconv", "touch textconv-ran; cat")
    repository.git("config", "filter.evil.smudge", "touch smudge-ran; cat")
    repository.write(
        "real.txt", "# -*- coding: latin-1 -*-\n# caf\xe9\n".encode("latin-1") + pin("six==1.9", A).encode()
    )
    (repository.root / "requirements/main.txt").unlink()
    (repository.root / "requirements/main.txt").symlink_to("../real.txt")
    repository.commit()
    assert "nothing moved" in repository.said()
    assert "nothing moved" in repository.said("HEAD~1")
    assert not list(repository.root.glob("*-ran"))


HOSTILE = "x`|</code><img src=x>[a](javascript:b)|@everyone"


def test_nothing_hostile_breaks_out_of_the_table(repository):
    repository.lock(pin(f'six==1.9 ; platform_machine == "{HOSTILE}"', A), f"./\\|{HOSTILE.replace(' ', '')}\n")
    repository.git("branch", "b|`<b>")
    repository.write("requirements/a|`<b>.in", "six\n")
    repository.write("requirements/a|`<b>.txt", pin("six==1.9", A))
    out = repository.said("b|`<b>", "--format", "markdown")
    for line in out.splitlines():
        outside = "".join(line.split("`")[::2])
        assert line.count("`") % 2 == 0
        assert not any(sign in outside.replace("<br>", "") for sign in "<[@")
        if line.startswith("| "):
            assert line.count("|") in {3, 6}
            assert "\\|" not in line
    assert "everyone" in out
    tokens = MarkdownIt("commonmark").enable("table").parse(out)
    inline = [token for each in tokens for token in each.children or ()]
    assert {token.type for token in inline} <= {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
    assert [token.type for token in tokens].count("table_open") == out.count("| --- |\n") == 3


def test_every_field_of_the_json_is_documented(repository):
    repository.write("requirements/built.sum", build(A))
    repository.lock(pin("six==1.9", B), "attrs\n", pin("new==1", A))
    told = repository.told()
    assert told["version"] == 1

    def fields(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(fields, value))
        return set(value).union(*map(fields, value.values())) if isinstance(value, dict) else set()

    documented = (ROOT / "docs" / "diff.md").read_text(encoding="utf-8").partition("## JSON")[2]
    assert not {name for name in fields(told) if f"`{name}`" not in documented}


def test_nothing_hostile_speaks_to_the_terminal(repository):
    repository.write("requirements/a\x1b[1m\u202eb.in", "six\n")
    repository.write("requirements/a\x1b[1m\u202eb.txt", pin("six==1.9", A))
    out = repository.said()
    assert "a\\x1b[1m\\u202eb" in out
    assert "\x1b" not in out
