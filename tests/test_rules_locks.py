"""What stands in locks: exactness, hashes, leaks, and whether layers that are installed together agree."""

from pathlib import Path

import pytest

from support import worlds
from support.worlds import DEV, DEV_IN, MAIN, MAIN_IN, Entry, lock_text, made_up

SECRET = "hunter2"


def judged(root: Path, lock: str) -> list[tuple[str, str]]:
    return worlds.said(worlds.judge(root, {MAIN_IN: "# nothing\n", MAIN: lock}).findings)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (f"--index-url https://{SECRET}@pkgs.example.com/simple", "lock-leak"),
        (f"-i https://me:{SECRET}@pkgs.example.com/simple", "lock-leak"),
        (f"--extra-index-url https://pkgs.example.com/simple?token={SECRET}", "lock-leak"),
        (f"--find-links=https://pkgs.example.com/?token={SECRET}", "lock-leak"),
        (f"-f /home/{SECRET}/wheels", "lock-leak"),
        ("-f wheels", "lock-leak"),
        ("-f C:\\\\wheels", "lock-leak"),
        (f"-i https://me:{SECRET}/with/slash@pkgs.example.com/simple", "lock-leak"),
        (f"-i https://me:{SECRET}@[broken/simple", "lock-leak"),
        ("-i https://[broken/simple", "lock-leak?"),
        ("-f file:///wheels", "lock-leak"),
        ("-f https://pkgs.example.com/wheels/", "lock-leak?"),
        ("-i https://pkgs.example.com/simple", "lock-leak?"),
        ("--trusted-host pkgs.example.com:8443", "lock-leak?"),
        ("--no-binary :all:", None),
        ("--pre", None),
        ("--require-hashes", None),
    ],
)
def test_an_option_leaks_by_what_it_names(line: str, rule: str | None, tmp_path: Path):
    report = worlds.judge(tmp_path, {MAIN_IN: "# nothing\n", MAIN: f"\n{line}\n"})
    assert worlds.said(report.findings) == ([(rule, f"{MAIN}:2")] if rule else [])
    if "/home/" not in line:  # a path has to be named to be found
        assert SECRET not in repr(report)


@pytest.mark.parametrize(
    ("pin", "leaks"),
    [
        ("a @ https://pkgs.example.com/a-1.zip", False),
        ("a @ https://pkgs.example.com/a-1.zip#subdirectory=x", False),
        (f"a @ https://{SECRET}@pkgs.example.com/a-1.zip", True),
        (f"a @ https://pkgs.example.com/a-1.zip?sig={SECRET}", True),
    ],
)
def test_a_url_leaks_by_what_it_carries(pin: str, leaks: bool, tmp_path: Path):
    lock = lock_text([Entry(pin=pin, hashes=(made_up("a"),))])
    report = worlds.judge(tmp_path, {MAIN_IN: "# nothing\n", MAIN: lock})
    assert worlds.said(report.findings) == ([("lock-leak", f"{MAIN}:1")] if leaks else [])
    assert all(SECRET not in found.message + str(found.facts) for found in report.findings)


@pytest.mark.parametrize(
    ("line", "leaks"),
    [
        ("a @ git+ssh://git@code.example.com/a.git", False),
        ("-e git+ssh://git@code.example.com/a.git#egg=a", False),
        (f"a @ git+ssh://git:{SECRET}@code.example.com/a.git", True),
        (f"a @ git+https://{SECRET}@code.example.com/a.git", True),
    ],
)
def test_a_login_name_of_ssh_is_no_secret_but_a_password_is(line: str, leaks: bool, tmp_path: Path):
    report = worlds.judge(tmp_path, {MAIN_IN: "# nothing\n", MAIN: f"{line}\n    # via x\n"})
    expected = [("lock-leak", f"{MAIN}:1")] * leaks + [("pin-unlockable", f"{MAIN}:1")]
    assert worlds.said(report.findings) == expected
    assert all(SECRET not in found.message + str(found.facts) for found in report.findings)


@pytest.mark.parametrize(
    ("option", "leaks"),
    [
        (f"--index-url=https://me:{SECRET}@pkgs.example.com/simple", True),
        (f"--index-url https://pkgs.example.com/simple?token={SECRET}", True),
        ("--index-url=https://me:****@pkgs.example.com/simple", False),
        ("--index-url=https://pkgs.example.com/simple", False),
        ("--output-file=a?b@c", False),
    ],
)
def test_a_command_in_a_header_leaks_by_what_it_names(option: str, leaks: bool, tmp_path: Path):
    lock = worlds.header("main").replace("--no-emit-index-url", option)
    report = worlds.judge(tmp_path, {MAIN_IN: "# nothing\n", MAIN: lock})
    assert worlds.said(report.findings) == ([("lock-leak", f"{MAIN}:1")] if leaks else [])
    assert all(SECRET not in found.message for found in report.findings)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("a==1", None),
        ("a===1", None),
        ("a==1.*", "pin-loose"),
        ("a>=1", "pin-loose"),
        ("a~=1.0", "pin-loose"),
        ("a", "pin-loose"),
        ("a==1,==1.0", "pin-loose"),
        ("a===one", "pin-loose"),
    ],
)
def test_a_pin_names_one_version_and_no_more(line: str, rule: str | None, tmp_path: Path):
    found = judged(tmp_path, f"{line} --hash={made_up('a')}\n")
    assert found == ([(rule, f"{MAIN}:1")] if rule else [])


@pytest.mark.parametrize(
    ("kinds", "rule"),
    [
        ([], "pin-unhashed"),
        (["md5"], "pin-weak-hash"),
        (["md5", "sha1"], "pin-weak-hash"),
        (["sha224"], "pin-weak-hash"),
        (["sha256"], None),
        (["sha384"], None),
        (["sha512", "md5"], None),
    ],
)
def test_a_pin_has_a_hash_that_counts(kinds: list[str], rule: str | None, tmp_path: Path):
    entry = Entry(pin="a==1", hashes=tuple(made_up("a", kind) for kind in kinds))
    assert judged(tmp_path, str(entry)) == ([(rule, f"{MAIN}:1")] if rule else [])


def test_the_mending_of_a_lock_that_nobody_compiled_is_by_hand(tmp_path: Path):
    [found] = worlds.judge(tmp_path, {MAIN_IN: "# nothing\n", MAIN: "a>=1\n"}).findings
    assert found.hint == "write NAME==VERSION"
    [found] = worlds.judge(tmp_path, {MAIN: worlds.header("main") + "a>=1\n"}).findings
    assert found.hint == "run `make lock`"


def layers(root: Path, main: str, dev: str, *, hashes: tuple[str, str] = ("x", "x")) -> list[tuple[str, str]]:
    texts = {
        MAIN_IN: "# nothing\n",
        MAIN: str(Entry(pin=main, hashes=(made_up(hashes[0]),))),
        DEV_IN: "-c main.txt\n",
        DEV: str(Entry(pin=dev, hashes=(made_up(hashes[1]),))),
    }
    return worlds.said(worlds.judge(root, texts).findings)


URL = "a @ https://pkgs.example.com/a-1.zip"


@pytest.mark.parametrize(
    ("main", "dev", "agree"),
    [
        ("a==1", "a==1", True),
        ("a==1", "A==1.0", True),
        ("a==1", "a[x]==1", True),
        ("a==1", "b==2", True),
        ("a==1", "a==2", False),
        ("a==1.1", "a==1.10", False),
        ("a==1", 'a==2 ; python_version < "3"', True),
        (URL, URL, True),
        (URL, f"{URL}#egg=a", True),
        (URL, "a==1", False),
        (URL, "a @ https://pkgs.example.com/other/a-1.zip", False),
    ],
)
def test_layers_agree_when_they_mean_the_same_files(main: str, dev: str, agree: bool, tmp_path: Path):
    assert layers(tmp_path, main, dev) == ([] if agree else [("layers-disagree", f"{DEV}:1")])


def test_layers_must_share_a_hash(tmp_path: Path):
    assert layers(tmp_path, "a==1", "a==1", hashes=("x", "y")) == [("layers-disagree", f"{DEV}:1")]


def test_a_disagreement_shows_both_pins(tmp_path: Path):
    texts = {MAIN_IN: "# nothing\n", MAIN: str(Entry(pin="a==1.1", hashes=(made_up("x"),))), DEV_IN: "-c main.txt\n"}
    texts[DEV] = str(Entry(pin="a @ https://me:hunter2@pkgs.example.com/a-1.10.zip", hashes=(made_up("x"),)))
    leak, found = worlds.judge(tmp_path, texts).findings[::-1]
    assert (found.rule, leak.rule) == ("layers-disagree", "lock-leak")
    assert found.facts == (
        ("here", "a @ https://****@pkgs.example.com/a-1.10.zip"),
        ("there", f"a==1.1 ({MAIN}:1)"),
    )


def test_layers_of_different_environments_may_differ(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text('[tool.lockhouse]\nenvironments = { a = ["main"], b = ["dev"] }\n')
    assert layers(tmp_path, "a==1", "a==1", hashes=("x", "y")) == []


def test_a_disagreement_of_two_environments_is_said_once(tmp_path: Path):
    environments = '[tool.lockhouse]\nenvironments = { a = ["main", "dev"], b = ["main", "dev"] }\n'
    (tmp_path / "pyproject.toml").write_text(environments)
    assert layers(tmp_path, "a==1", "a==2") == [("layers-disagree", f"{DEV}:1")]


def test_a_lock_that_includes_its_base_agrees_with_it(tmp_path: Path):
    pin = str(Entry(pin="a==1", hashes=(made_up("a"),)))
    texts = {MAIN_IN: "# nothing\n", MAIN: pin, DEV_IN: "-c main.txt\n", DEV: "-r main.txt\n"}
    assert worlds.said(worlds.judge(tmp_path, texts).findings) == []


def test_a_lock_for_another_python_is_a_warning_with_both(tmp_path: Path):
    texts = {MAIN_IN: "# nothing\n", MAIN: worlds.header("main", "3.9")}
    [found] = worlds.judge(tmp_path, texts, target=worlds.on("3.12")).findings
    assert (found.rule, found.severity, str(found.where)) == ("lock-python", "warning", f"{MAIN}:1")
    assert found.facts == (("compiled", "3.9"), ("target", "3.12"))
    assert worlds.judge(tmp_path, texts, target=worlds.on("3.9")).findings == ()


@pytest.mark.parametrize(
    ("source", "lock", "hint"),
    [
        (f'["{DEV_IN}"]', DEV, "write `-c main.txt` into requirements/dev.in, then run `make lock`"),
        ('["dev.in"]', DEV, "write `-c requirements/main.txt` into dev.in, then run `make lock`"),
        ("[]", DEV, "run `make lock`"),
    ],
)
def test_a_disagreement_of_unrelated_layers_says_how_to_relate_them(source: str, lock: str, hint: str, tmp_path: Path):
    texts = {
        "pyproject.toml": f"""
            [tool.lockhouse]
            environments = {{ default = ["main", "dev"] }}
            layers.main = {{ lock = "{MAIN}" }}
            layers.dev = {{ lock = "{lock}", sources = {source} }}
        """,
        MAIN_IN: "a\n",
        MAIN: str(Entry(pin="a==1", hashes=(made_up("x"),))),
        DEV_IN: "a\n",
        "dev.in": "a\n",
        DEV: str(Entry(pin="a==2", hashes=(made_up("x"),))),
    }
    [found] = worlds.judge(tmp_path, texts).findings
    assert (found.rule, found.hint) == ("layers-disagree", hint)
