"""The reader of locks and sources: alike with pip but for a listed few differences, and clear about what is wrong."""

import codecs
import contextlib
import doctest
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockhouse import annotations, lines, links, redact, requirements
from lockhouse.annotations import Header
from lockhouse.digest import Digest
from lockhouse.errors import Location, RequirementsError
from lockhouse.includes import load
from lockhouse.redact import redact as shown
from lockhouse.requirements import (
    IncludeLine,
    Line,
    OptionLine,
    Pin,
    RequirementLine,
    RequirementsFile,
    UnlockableLine,
    parse,
    pin_of,
)
from support import pip_reader
from support.pip_reader import Reading, Refused

LOCKS = Path(__file__).parent / "data" / "locks"
CORPUS = sorted(path for path in LOCKS.rglob("*") if path.suffix in {".txt", ".in"})
SHA = "0123456789abcdef" * 4
OTHER = "f" * 64
ENVIRON = {
    "HOST": "pkgs.example.com",
    "NAME": "six",
    "EMPTY": "",
    "NESTED": "${HOST}",
    "BLANKS": " a  b ",
    "LINES": "six\n--pre",
    "HASHMARK": " # no comment",
    "DASH": " --pre",
}


def read(text: str, **environ: str) -> RequirementsFile:
    return parse(text.encode(), PurePath("requirements/dev.txt"), environ=environ)


def one(text: str) -> RequirementLine:
    [line] = read(text).lines
    assert isinstance(line, RequirementLine)
    return line


def refusal(text: str) -> RequirementsError:
    with pytest.raises(RequirementsError) as caught:
        read(text)
    return caught.value


@pytest.mark.parametrize("module", [annotations, lines, links, redact, requirements])
def test_the_examples_in_the_docstrings_are_true(module: ModuleType) -> None:
    failed, attempted = doctest.testmod(module)
    assert attempted
    assert not failed


# --- Alike with pip ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """Something one reads and the other refuses: why that is right, an example, and how to know it again."""

    reason: str
    examples: tuple[str, ...]
    known: Callable[[list[Line], Refused], bool] | str


def _unlockable(ours: list[Line], _pip: Refused) -> bool:
    return isinstance(ours[0], UnlockableLine)


def _weak(ours: list[Line], pip: Refused) -> bool:
    hashes = [digest for line in ours for digest in getattr(line, "hashes", ())]
    return "Allowed hash algorithms" in pip.message and any(not digest.strong for digest in hashes)


WE_READ = {
    "weak-hash": Difference(
        "check reports it as pin-weak-hash, with all its like, instead of stopping at the first",
        (f"six==1 --hash=md5:{SHA[:32]}", "six==1 --hash=sha1:ab --hash sha256:" + SHA),
        _weak,
    ),
    "unlockable": Difference(
        "check reports it as pin-unlockable; whether it is there and is a project is not asked, as reading is pure",
        (
            "./no/such/folder",
            "-e nothing",
            "-e https://pkgs.example.com/app.zip",
            "-e git+https://x/y",
        ),
        _unlockable,
    ),
    "feature": Difference(
        "which features there are changes with pip's release, and no meaning of a lock hangs on them",
        ("--use-feature=of-tomorrow",),
        lambda _ours, pip: "--use-feature: invalid choice" in pip.message,
    ),
}

PIP_READS = {
    "read-over": Difference(
        "pip drops it without a word; a marker behind the hashes would be gone",
        ("six --hash=sha256:" + SHA + " ; python_version < '3'", "--pre six", "-r a.txt b.txt"),
        "pip reads over what follows the options",
    ),
    "option-of-a-requirement": Difference(
        "pip drops a global option on the line of a requirement",
        ("six --pre", "six -r other.txt", "./pkg -e x"),
        "has no effect on the line of a requirement",
    ),
    "beside-an-editable": Difference(
        "pip takes the first -e and drops the other options",
        ("-e ./pkg -e ./pkg", "-e ./pkg --pre", "-e ./pkg --hash=sha256:" + SHA),
        "beside -e pip reads over every option",
    ),
    "beside-an-include": Difference(
        "pip takes the first -r, or else the first -c, and drops the other options",
        ("-r a.txt -r b.txt", "-c a.txt -r b.txt", "-r a.txt --pre"),
        "beside -r or -c pip reads over",
    ),
    "find-links-twice": Difference(
        "pip takes the first on the line",
        ("-f a -f b",),
        "--find-links twice on a line",
    ),
    "hash-without-requirement": Difference(
        "pip warns and drops it; most often a backslash is missing above it",
        ("--hash=sha256:" + SHA, "-C a=b", "--pre --hash=sha256:" + SHA),
        "without a requirement",
    ),
    "says-nothing": Difference("nobody means to write it", ("--",), "this line says nothing"),
    "empty-value": Difference(
        "it would mean nothing, or the folder of the file; often a variable that is set to blanks",
        ("--index-url=", "-r ''", "--no-binary ' '"),
        "needs a value",
    ),
    "remote-include": Difference(
        "reading it needs the network, and nothing that can change elsewhere is an anchor",
        ("-r https://pkgs.example.com/a.txt", "-c HTTP://pkgs.example.com/a.txt"),
        "can be read only over the network",
    ),
    "file-url-include": Difference(
        "it names a path of one machine, and gives a file two names",
        ("-r file:///srv/a.txt",),
        "names a path of one machine",
    ),
    "bare-url": Difference(
        "it is no PEP 508 requirement; pip learns the name only by fetching it",
        (
            "https://pkgs.example.com/app-1.0-py3-none-any.whl",
            "http://pkgs.example.com/x.zip#egg=x",
            "ftp://pkgs.example.com/x",
        ),
        "does not say which project it is",
    ),
    "strange-url": Difference(
        "pip has nothing to fetch it with, or takes its end for extras",
        ("six @ s3://bucket/six.zip", "six @ ./six", "a@b.zip", "six @ https://pkgs.example.com/six[x]"),
        "is no URL that can be fetched",
    ),
    "malformed-digest": Difference(
        "no file can have it, so pip would only fail later",
        (
            "six --hash=sha256:xyz",
            "six --hash=sha256:abc",
            "six --hash='sha256:" + SHA + " '",
            "six @ https://pkgs.example.com/x.zip#sha256=1",
        ),
        "digest",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A current folder in which some of the paths that the generator writes exist; pip looks, we do not."""
    folder = tmp_path_factory.mktemp("cwd")
    for name in ("pkg", "sub/pkg"):
        (folder / name).mkdir(parents=True)
        (folder / name / "pyproject.toml").touch()
    (folder / "there.zip").touch()
    with contextlib.chdir(folder):
        yield folder


def ours_by_line(content: bytes) -> list[tuple[int, list[Line] | RequirementsError]] | RequirementsError:
    """Read each line by itself, as pip_reader does, and hold `parse` to it."""
    path = PurePath("FILE")
    try:
        _, logical = lines.logical_lines(lines.decode(content, path))
    except RequirementsError as error:
        with pytest.raises(RequirementsError):
            parse(content, path, environ=ENVIRON)
        return error
    found: list[tuple[int, list[Line] | RequirementsError]] = []
    for line in logical:
        try:
            found.append((line.number, list(requirements._read(line, Location(path, line.number), ENVIRON))))
        except ValueError as error:
            found.append((line.number, RequirementsError(str(error), where=Location(path, line.number))))
    wrong = [each for _, each in found if isinstance(each, RequirementsError)]
    if wrong:
        with pytest.raises(RequirementsError) as caught:
            parse(content, path, environ=ENVIRON)
        assert caught.value.where == wrong[0].where
    else:
        whole = parse(content, path, environ=ENVIRON).lines
        assert list(whole) == [line for _, each in found if not isinstance(each, RequirementsError) for line in each]
    return found


def difference_of(ours: list[Line] | RequirementsError, pip: Reading | Refused) -> str | None:
    """Name the listed difference between two readings of a line of which only one is a refusal."""
    for name, difference in PIP_READS.items():
        if (
            isinstance(ours, RequirementsError)
            and isinstance(difference.known, str)
            and difference.known in ours.reason
        ):
            return name
    for name, difference in WE_READ.items():
        if isinstance(ours, RequirementsError) or not isinstance(pip, Refused) or isinstance(difference.known, str):
            continue
        if difference.known(ours, pip):
            return name
    return None


def compare_line(ours: list[Line], pip: Reading) -> None:
    first = ours[0]
    if isinstance(first, OptionLine):
        assert pip_reader.options_of([(line.name, line.value) for line in ours if isinstance(line, OptionLine)]) == pip
        return
    assert len(ours) == 1
    if isinstance(first, IncludeLine):
        assert pip == {"kind": first.kind, "target": first.target}
        return
    hashes: dict[str, set[str]] = {}
    for digest in first.hashes:
        hashes.setdefault(digest.algorithm, set()).add(digest.hex)
    if pip["kind"] != "editable":
        assert {name: sorted(values) for name, values in hashes.items()} == pip["hashes"]
    assert pip_reader.config_settings_of(first.config_settings) == pip["config_settings"]
    if isinstance(first, UnlockableLine):
        assert first.kind == pip["kind"]
        assert first.name in {pip["name"], None}
        if first.kind != "editable":
            assert (str(first.marker) if first.marker else None) == pip["marker"]
        return
    assert pip == {
        "kind": "named" if first.url is None else "url",
        "name": first.name,
        "project": first.project,
        "specifier": str(first.specifier),
        "marker": str(first.marker) if first.marker else None,
        "extras": first.extras,
        "hashes": pip["hashes"],
        "url": first.url,
        "config_settings": pip["config_settings"],
    }


def compare(content: bytes, folder: Path) -> set[str]:
    """Hold our reading of a file against pip's; returns which listed differences were met."""
    pip = pip_reader.read_file(content, folder / "FILE", ENVIRON)
    ours = ours_by_line(content)
    assert isinstance(ours, RequirementsError) == isinstance(pip, Refused), (ours, pip)
    met: set[str] = set()
    if isinstance(ours, RequirementsError) or isinstance(pip, Refused):
        return met
    assert [number for number, _ in ours] == [number for number, _ in pip]
    for (_, mine), (_, theirs) in zip(ours, pip, strict=True):
        if isinstance(mine, RequirementsError) and isinstance(theirs, Refused):
            continue
        if isinstance(mine, RequirementsError) or isinstance(theirs, Refused):
            name = difference_of(mine, theirs)
            assert name is not None, (content, mine, theirs)
            met.add(name)
        else:
            compare_line(mine, theirs)
    return met


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.relative_to(LOCKS).as_posix())
def test_every_real_lock_and_source_is_read_as_pip_reads_it(path: Path, folder: Path) -> None:
    content = path.read_bytes()
    assert compare(content, folder) == set()
    assert parse(content, path, environ={}).lines


ODD = [
    f"\\six==1 \\\n--hash=sha256:{SHA}",
    f"six==1 \\\\\n--hash=sha256:{SHA}\\",
    "six==1\\\n#c",
    "six==1 \\\n# c \\\nb==2",
    "six==1 \\\n\n--pre",
    "six==1 # a # b",
    "six==1#a",
    "six==1\x1f# a",
    "six==1\f--pre",
    "six==1\x85b==2\u2028c==3",
    "six==1\t--hash=sha256:" + SHA,
    "six${EMPTY}==1",
    "${NAME}${EMPTY_}==1",
    "-i https://${NESTED}/${HOST}",
    "six==1${HASHMARK}",
    "-i x${DASH}",
    "-${NAME}",
    "--pypi-url x --index y -iz -i=q",
    "-rx.txt",
    "-r=x.txt",
    "--requirem 'a b.txt'",
    "--require x.txt",
    "--no-binary=a,:none:,b --only-binary b --all-releases=c --only-final :all:",
    "./a@b.zip",
    "a.zip/ ; os_name == 'nt'",
    "there.zip[x]",
    "bzr+http://x/y#egg=x",
    "bzr+gopher://x/y#egg=x",
    "GIT+HTTPS://x/y",
    "git+https://x/y#egg=a+b",
    "six @ git+https://x/y#egg=",
    "six @ https://x/y;z",
    "six @ https://x/y ; os_name == 'nt;x'",
    "git+https://x/y;z ; os_name == 'nt'",
    f"six @ https://x/y.zip?a=b&sha256={SHA}",
    f"six @ https://x/y.zip#sha256={SHA} --hash=sha512:{SHA * 2} --hash=sha256:{SHA.upper()}",
    "six[A_b, c.d] ; extra == 'A_b'",
    "-e './pkg[x]' -C a=b -C a=c -C d=e",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_lines_are_read_as_pip_reads_them(text: str, folder: Path) -> None:
    assert compare(text.encode(), folder) == set()
    assert compare(codecs.BOM_UTF8 + f"\r\n{text}\r\n".encode(), folder) == set()


# Each list begins with what is sound; `sound` says how many of it.
NAMES = ["six", "Foo.Bar", "a_b--c", "zope.interface", "${NAME}", "x", "1x", "_x", "x.", "foo bar", "s\u0131x"]
EXTRAS = ["", "[x]", "[X, y_z]", " [ a ]", "[]", "[ ]", "[a", "[a,,b]", "[a b]", "[a] [b]"]
VERSIONS = [
    *("", "==1.0", " == 1.0", "===1.0", "===1.0-x_y", ">=1,<2", " ~= 1.4 , !=1.5", "==1.*", " (>=1)", "==1.0,==1.0"),
    *("==1!2.0rc1", "==1.0+l.1", "=1.0", "==", "== x", "==1.0 ==1.0", "==1.0.zip", "==1/2", ">=1.0.tar.gz", " >1 -2"),
]
MARKERS = [
    *("", ";python_version<'3'", ' ; sys_platform == "win#32"', " ; os_name == 'x y'", ";", " ; "),
    *(' ; os_name == "a;b"', "; 'a' in os_name", ";os_name=='nt' and (python_version!='é')", "; 'a://b' == os_name"),
    *(" ; python_full_version>='3.9.0' or os_name not in 'a b'", " ; extra == 'x'", "; bad", "; os_name"),
    *(" ; python_version < '3' ;", ' ; os_name == " --hash"', " ; os_name == 'x #y'"),
]
HOSTS = [
    *("pkgs.example.com", "me:secret@pkgs.example.com:8443", "${HOST}", "${USER}:${TOKEN}@${HOST}", "[::1]:80"),
    *("[bad", "", "x\u2100y"),
]
SCHEMES = [
    *("https://", "http://", "HTTPS://", "git+https://", "git+ssh://git@", "hg+http://", "svn+svn://", "bzr+lp://"),
    *("file://", "file:", "git+gopher://", "ftp://", "s3://", "git://", "ssh://", "//", "https:", "C:/"),
]
FILES = [
    *("/six-1.16.0-py2.py3-none-any.whl", "/six-1.0.tar.gz", "/a%20b-1.zip", "/repo.git@v1.0", "/app?a=b&c=d", "", "/"),
    *("/a b.zip", "/x;y", "/x[y]", "/bad.whl"),
]
FRAGMENTS = [
    *("", f"#sha256={SHA}", f"#md5={SHA[:32]}&egg=six", "#egg=six", f"#sha1={SHA[:40]}&sha256={SHA}"),
    *(f"?x=y&sha256={SHA}", f"#subdirectory=a&sha512={SHA * 2}"),
    *("#egg=six[x]", "#egg=", "#sha256=xyz", "#a=b#egg=x"),
]
PATHS = [
    *("./pkg", "./pkg[x]", "sub/pkg", "there.zip", "there.zip[x]", "a.tar.gz", "./a@b.zip", "a.zip/", "a.zip [b]"),
    *("a.TAR.GZ", "/abs/x.zip", ".", "..", "pkg", "./nowhere", "nowhere/x", "not.whl", "./a b", "x.gz", ".zip"),
    *("a@b.zip", "dir\\x", "~/x"),
]
HASHES = [
    *(f"--hash=sha256:{SHA}", f"--hash sha256:{OTHER}", f"--hash=sha512:{SHA * 2}", f"--hash='sha256:{SHA}'"),
    *(
        f"--hash=sha256:{SHA.upper()}",
        f"--ha=sha256:{SHA}",
        f'--hash "sha256:{OTHER}"',
        "-C a=b",
        "--config-settings=k=v",
    ),
    *(f"--hash=md5:{SHA[:32]}", "--hash=sha256:xyz", f"--hash=SHA256:{SHA}", "--hash", "--hash=", "--hash=sha256"),
    *(f"--hash=sha256 :{SHA}", f"--hash ' sha256:{SHA}'", f"--hash='sha256:{SHA} '", "--hash=sha999:ab"),
    *(f"--hash=sha384:{SHA}", "-C", "-Ca", "--pre", "-r x.txt", "x"),
]
WITH_VALUE = [
    *(
        "-i",
        "--index-url",
        "--pypi-url",
        "--index",
        "--extra-index-url",
        "--extra",
        "-f",
        "--find-links",
        "--find",
        "-c",
    ),
    *("--constraint", "-r", "--requirement", "--requirem", "-e", "--editable", "--ed", "--no-binary", "--no-bi"),
    *("--only-binary", "--all-releases", "--only-final", "--trusted-host"),
    *(
        "--use-feature",
        "--only",
        "-C",
        "--config-settings",
        "--config-setting",
        "--hash",
        "-x",
        "--unknown",
        "--require",
    ),
]
WITHOUT_VALUE = [
    *("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre", "--pr", "-rpkg", "--prefer"),
    *("--no", "--require", "--no-index=1", "--", "-", "-h", "--help", "--version", "-cie"),
]
VALUES = [
    *(
        "other.txt",
        "../base.txt",
        "'a b.txt'",
        '"q"',
        "a\\ b",
        "=x",
        ":all:",
        ":none:,six",
        "Six,a_b",
        "https://${HOST}/simple",
    ),
    *("fast-deps", "k=v", "file:///srv/x", "''", "' '", "-x", "--pre", "HTTPS://x/y.txt", "of-tomorrow", "k", "'open"),
]
COMMENTS = [
    *("", " # via app", "  #", "\t# x \\", " \\\n    # via x \\", "\n    # via\n    #   -r a.in", "   ", " \\"),
    *("#glued", "\f", "\t", "\\"),
]
GAPS = [" ", "  ", " \\\n    ", " \\\r\n", "\\\n ", "\t", " \\ \n", "\xa0", "\x1f "]
NOISE = [
    *(
        "",
        " ",
        "  ",
        "\t",
        "\f",
        "\x0b",
        "\x1c",
        "\x1f",
        "\x85",
        "\xa0",
        "\u2028",
        "\u3000",
        "\0",
        "é",
        "\\",
        "\\\n",
        " \\\r\n  ",
    ),
    *(
        "\\ \n",
        "\\\\\n",
        "\n",
        "\r",
        "#",
        " #",
        "\t#",
        "'",
        '"',
        ";",
        "-",
        "--",
        " -",
        "=",
        "@",
        ",",
        "[",
        "]",
        "$HOST",
        "${host}",
    ),
    *("${HOST}", "${UNSET}", "${EMPTY}", "${NESTED}", "${BLANKS}", "${LINES}", "${HASHMARK}", "${DASH}"),
]


def _pick(draw: st.DrawFn, choices: list[str], sound: int) -> str:
    """Take one of the first `sound` choices, which are in order, or now and then any."""
    return draw(st.sampled_from(choices if draw(st.integers(0, 11)) == 0 else choices[:sound]))


def _url(draw: st.DrawFn) -> str:
    return _pick(draw, SCHEMES, 9) + _pick(draw, HOSTS, 5) + _pick(draw, FILES, 7) + _pick(draw, FRAGMENTS, 7)


def _named(draw: st.DrawFn) -> str:
    return _pick(draw, NAMES, 5) + _pick(draw, EXTRAS, 4) + _pick(draw, VERSIONS, 12) + _pick(draw, MARKERS, 12)


def _named_url(draw: st.DrawFn) -> str:
    at = draw(st.sampled_from(["@", " @ ", "@ ", "  @\t", " @"]))
    blank = draw(st.sampled_from(["", " "]))
    return _pick(draw, NAMES, 5) + _pick(draw, EXTRAS, 4) + at + _url(draw) + blank + _pick(draw, MARKERS, 1)


def _bare(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from([_pick(draw, PATHS, 9), _url(draw)]))
    return text + draw(st.sampled_from(["", " "])) + _pick(draw, MARKERS, 12)


def _editable(draw: st.DrawFn) -> str:
    quoted = f"'{_pick(draw, NAMES, 5)} @ {_url(draw)}{_pick(draw, MARKERS, 2)}'"
    what = draw(st.sampled_from([_pick(draw, PATHS, 3), _url(draw), quoted]))
    return draw(st.sampled_from(["-e ", "-e", "--editable=", "-e  "])) + what


def _options(draw: st.DrawFn) -> str:
    words = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        name = _pick(draw, WITH_VALUE, 24)
        between = draw(st.sampled_from([" ", "=", "  "] if name.startswith("--") else [" ", "", "  ", "="]))
        value = draw(
            st.sampled_from([_pick(draw, VALUES, 13), draw(st.sampled_from(VALUES)), _pick(draw, PATHS, 5), _url(draw)])
        )
        words.append(
            draw(st.sampled_from([name + between + value, name + between + value, _pick(draw, WITHOUT_VALUE, 8)]))
        )
    return " ".join(words)


@st.composite
def line_texts(draw: st.DrawFn) -> str:
    """Build a line that is one of the things a line can be, mostly sound, and perhaps spoil it in one place."""
    kind = draw(st.sampled_from([_named, _named, _named, _named_url, _named_url, _bare, _editable, _options, _options]))
    text = kind(draw)
    if kind not in {_editable, _options} or draw(st.integers(0, 7)) == 0:
        for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
            text += _pick(draw, GAPS, 5) + _pick(draw, HASHES, 9)
    text += _pick(draw, COMMENTS, 8)
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(NOISE)) + text[place:]
    return text


TOPS = [
    *(
        "",
        "# a comment\n",
        "#!coding=utf-8\n",
        "\n\n# coding: nonsense\n",
        "x==1\n\n# coding: ascii\n",
        "# coding: utf-8-sig\n",
    ),
    *(
        "\n# coding: latin-1\n",
        "# coding: nonsense\n",
        "# -*- coding: hex -*-\n",
        "# coding: utf-16\n",
        "# coding: ascii \\\n",
    ),
]
ENCODINGS = [
    *(
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ),
    *(("utf-32-le", codecs.BOM_UTF32_LE), ("utf-32-be", codecs.BOM_UTF32_BE)),
    *(("latin-1", b""), ("utf-16-le", codecs.BOM_UTF8), ("utf-8", codecs.BOM_UTF16_BE)),
]


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Build a file of such lines, in one of the encodings that pip knows, or in one that is announced wrongly."""
    ends = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r", "\n\n", "\x0b", "\u2028", "\\\n"])
    wild = draw(st.integers(0, 7)) == 0
    text = draw(st.sampled_from(TOPS if wild else TOPS[:6]))
    text += "".join(draw(line_texts()) + draw(ends) for _ in range(draw(st.integers(1, 4))))
    encoding, mark = draw(st.sampled_from(ENCODINGS if wild else [ENCODINGS[0]] * 6 + ENCODINGS[:6]))
    return mark + text.encode(encoding, errors="replace")


def hold_against_pip(examples: int, folder: Path) -> set[str]:
    met: set[str] = set()

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(contents())
    def run(content: bytes) -> None:
        met.update(compare(content, folder))

    run()
    return met


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"[a-z0-9-]{1,3}==[0-9][0-9a-z.!+*_ \t;@,'()~=<>-]{0,8}", fullmatch=True))
def test_a_plain_pin_is_what_packaging_reads(text: str) -> None:
    plain = requirements._plain(text)
    if plain:
        read = Requirement(text)
        found = (plain.name, str(plain.specifier), plain.extras, plain.url)
        assert found == (read.name, str(read.specifier), frozenset(read.extras), read.url)
        assert read.marker is None


def test_nearly_every_line_of_a_lock_is_plain() -> None:
    texts = [
        line.text
        for line in parse((LOCKS / "warehouse" / "main.txt").read_bytes(), PurePath("x"), environ={}).lines
        if isinstance(line, RequirementLine)
    ]
    assert sum(requirements._plain(text) is not None for text in texts) > 0.9 * len(texts)


def test_generated_files_are_read_as_pip_reads_them(folder: Path) -> None:
    hold_against_pip(100, folder)


@pytest.mark.slow
def test_5000_generated_files_are_read_as_pip_reads_them(folder: Path) -> None:
    met = hold_against_pip(5000, folder)
    # The generator reaches what it is there for; chance may hide one or two, and each has its examples below.
    assert len({*WE_READ, *PIP_READS} - met) <= 2


@pytest.mark.parametrize(
    ("name", "example"), [(name, each) for name, entry in WE_READ.items() for each in entry.examples]
)
def test_what_only_we_read_is_there(name: str, example: str, folder: Path) -> None:
    assert compare(example.encode(), folder) == {name}
    assert read(example).lines


@pytest.mark.parametrize(
    ("name", "example"), [(name, each) for name, entry in PIP_READS.items() for each in entry.examples]
)
def test_what_only_pip_reads_is_there(name: str, example: str, folder: Path) -> None:
    assert compare(example.encode(), folder) == {name}
    error = refusal(f"\n{example}\n")
    assert str(error.where) == "requirements/dev.txt:2"
    assert error.hint or name == "malformed-digest"


# --- Lines ------------------------------------------------------------------------------------------------------------


def test_a_line_of_a_lock_is_read_whole() -> None:
    text = f"""\
# a comment

Zope.Interface[Test_x]==5.4 ; python_version < "3.14" \\
    --hash=sha256:{SHA} \\
    --hash sha512:{SHA * 2}
    # via
    #   -r requirements/main.in
    #   app (pyproject.toml)
"""
    line = one(text)
    assert line.name == "zope-interface"
    assert line.project == "Zope.Interface"
    assert line.extras == {canonicalize_name("test-x")}
    assert line.specifier == SpecifierSet("==5.4")
    assert str(line.marker) == 'python_version < "3.14"'
    assert line.hashes == (Digest("sha256", SHA), Digest("sha512", SHA * 2))
    assert line.via == ("-r requirements/main.in", "app (pyproject.toml)")
    assert line.text == 'Zope.Interface[Test_x]==5.4 ; python_version < "3.14"'
    assert str(line.location) == "requirements/dev.txt:3"
    assert line.url is None


@pytest.mark.parametrize(
    ("text", "via"),
    [
        ("six==1\n    # via app", ("app",)),
        ("six==1\n    # via\n    #   -c base.txt\n    #   -r a.in", ("-c base.txt", "-r a.in")),
        ("six==1                  # via -r a.in, requests", ("-r a.in", "requests")),
        (f"six==1 \\\n    --hash=sha256:{SHA}\n    # via -r a.in, requests", ("-r a.in", "requests")),
        (f"six==1 \\\n    --hash=sha256:{SHA} \\\n    # via\n    #   requests", ("requests",)),
        ("six==1  # needed\n# via\n#   via\n#   b", ("via", "b")),
        ("six==1\n    # via app (pyproject.toml)", ("app (pyproject.toml)",)),
        ("six==1\n    # via\n    #   a\n    # and so on\n    #   b", ("a",)),
        ("six==1\n\n    # via app", ()),
        ("six==1  # viable", ()),
        ("six==1\n    # via\n    #\n    #   a", ()),
        ("six==1\n# The following packages are considered to be unsafe:\n", ()),
    ],
)
def test_both_annotation_styles_are_understood(text: str, via: tuple[str, ...]) -> None:
    assert one(text).via == via


def test_a_comment_belongs_to_the_requirement_above_it_only() -> None:
    first, second = read("a==1  # via x\nb==1\n").lines
    assert isinstance(first, RequirementLine)
    assert isinstance(second, RequirementLine)
    assert (first.via, second.via) == (("x",), ())


COMMAND = "pip-compile --generate-hashes --output-file=dev.txt dev.in"


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (
            f"#\n# This file is autogenerated by pip-compile with Python 3.13\n# by the following command:\n#\n#    {COMMAND}\n#\nsix==1",
            Header(tool="pip-compile", python="3.13", command=COMMAND),
        ),
        (
            f"#\n# This file is autogenerated by pip-compile with python 3.9\n# To update, run:\n#\n#    {COMMAND}\n#\n",
            Header(tool="pip-compile", python="3.9", command=COMMAND),
        ),
        (
            f"# Licence\n\n# This file is autogenerated by pip-compile\n# To update, run:\n#\n#    {COMMAND}\n#\n\nsix==1",
            Header(tool="pip-compile", python=None, command=COMMAND),
        ),
        (
            "# This file was autogenerated by uv via the following command:\n#    uv pip compile a.in\nsix==1",
            Header(tool="uv", python=None, command="uv pip compile a.in"),
        ),
        (
            "# This file is autogenerated by pip-compile with Python 3.12\nsix",
            Header(tool="pip-compile", python="3.12"),
        ),
        ("# To update, run:\n#\n#   make\nsix", Header()),
        ("six==1\n# This file was autogenerated by uv via the following command:\n#    uv pip compile a.in", Header()),
        ("", Header()),
    ],
)
def test_the_header_says_who_wrote_the_lock(text: str, header: Header) -> None:
    assert read(text).header == header


@pytest.mark.parametrize(
    "content",
    [
        f"# x\r\n\r\nsix==1 \\\r\n    --hash=sha256:{SHA}\r\nb==2\r\n".encode(),
        codecs.BOM_UTF8 + f"# x\n\nsix==1 --hash=sha256:{SHA}\n\nb==2".encode(),
        codecs.BOM_UTF16_LE + f"# x\n\nsix==1 --hash=sha256:{SHA}\n\nb==2".encode("utf-16-le"),
        f"# coding: latin-1 \xe9\n\nsix==1 \\\n--hash=sha256:{SHA}\nb==2".encode("latin-1"),
        f"# x\f\nsix==1 \\\n  # c\\\nb==2 --hash=sha256:{SHA}".encode(),
    ],
)
def test_line_numbers_are_those_of_pip(content: bytes) -> None:
    found = parse(content, PurePath("a.txt"), environ={})
    assert [line.location.line for line in found.lines] == [3, 5]
    assert {getattr(line, "hashes", None) for line in found.lines} == {(Digest("sha256", SHA),), ()}


def test_options_come_by_their_long_names_in_order() -> None:
    found = read("-i https://me:pw@pkgs.example.com/simple --pre\n-f ../wheels\n--pypi-url=b\n--only-bin :all:\n").lines
    assert [(line.name, line.value, line.location.line) for line in found if isinstance(line, OptionLine)] == [
        ("--index-url", "https://me:pw@pkgs.example.com/simple", 1),
        ("--pre", None, 1),
        ("--find-links", "../wheels", 2),
        ("--index-url", "b", 3),
        ("--only-binary", ":all:", 4),
    ]


def test_config_settings_are_kept() -> None:
    line = one("six==1 --config-settings=a=b -C --flag=c=d")
    assert line.config_settings == ("a=b", "--flag=c=d")


def test_a_set_variable_is_filled_in_and_an_unset_one_stays() -> None:
    [line] = read("-i https://${USER_}:${UNSET}@pkgs.example.com", USER_="me").lines
    assert isinstance(line, OptionLine)
    assert line.value == "https://me:${UNSET}@pkgs.example.com"


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("-e .", "editable", None),
        ("-e 'App_x[y] @ git+https://code.example.com/app ; os_name == \"nt\"'", "editable", "app-x"),
        ("--editable=git+https://code.example.com/app#egg=My.App", "editable", "my-app"),
        ("-e app", "editable", None),
        ("git+https://code.example.com/app@v1#egg=app", "vcs", "app"),
        ("App @ git+ssh://git@code.example.com/app ; os_name == 'nt'", "vcs", "app"),
        ("./app ; os_name == 'nt'", "path", None),
        ("C:\\src\\app", "path", None),
        ("app-1.0.zip", "path", None),
        ("file:///srv/app.zip", "path", None),
        ("app @ file:///srv/app.zip", "path", "app"),
    ],
)
def test_what_cannot_be_locked_is_named(text: str, kind: str, name: str | None) -> None:
    [line] = read(text).lines
    assert isinstance(line, UnlockableLine)
    assert (line.kind, line.name) == (kind, name)
    assert (line.marker is not None) == ("os_name" in text)


# --- Pins -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "version", "arbitrary"),
    [
        ("six==1.16.0", "1.16.0", False),
        ("six == 1.16.0 ; os_name == 'nt'", "1.16", False),
        ("six===1.16.0", "1.16.0", True),
        ("six==1!2.0rc1+local", "1!2.0rc1+local", False),
        ("six @ https://pkgs.example.com/six-1.16.0-py2.py3-none-any.whl?sig=x", "1.16.0", False),
        ("six @ http://pkgs.example.com/a/six-1.10.tar.gz", "1.10", False),
        ("six @ https://pkgs.example.com/six-1!2.0.zip", "1!2.0", False),
        ("six @ https://pkgs.example.com/six-1.0%2Bl.tar.gz", "1.0+l", False),
        ("six @ https://pkgs.example.com/archive/v1.zip", None, False),
        ("six @ https://pkgs.example.com/seven-1.0.zip", None, False),
        ("six @ https://pkgs.example.com/six-1.0-bad.whl", None, False),
        ("six @ https://pkgs.example.com", None, False),
    ],
)
def test_an_exact_requirement_is_a_pin(text: str, version: str | None, arbitrary: bool) -> None:
    line = one(text)
    pin = pin_of(line)
    assert isinstance(pin, Pin)
    assert pin.version == (None if version is None else Version(version))
    assert pin.arbitrary is arbitrary
    for same in ("name", "project", "extras", "marker", "url", "hashes", "via", "location"):
        assert getattr(pin, same) == getattr(line, same)
    assert hash(pin)


@pytest.mark.parametrize("text", ["six", "six==1.*", "six>=1", "six~=1.0", "six==1,!=2", "six===nonsense", "six!=1"])
def test_what_is_not_exact_is_no_pin(text: str) -> None:
    assert pin_of(one(text)) is None


def test_the_hash_in_a_url_counts() -> None:
    url = f"https://pkgs.example.com/six-1.0.tar.gz#sha256={SHA}"
    assert one(f"six @ {url} --hash=sha256:{OTHER}").hashes == (Digest("sha256", OTHER), Digest("sha256", SHA))
    assert one(f"six @ {url} --hash=sha256:{SHA}").hashes == (Digest("sha256", SHA),)
    assert one(f"six @ {url}").url == url


# --- Files that include files -----------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_in", ".in").replace("_txt", ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_requirements_and_constraints_are_told_apart_as_pip_does(tree: Callable[..., Path]) -> None:
    root = tree(
        requirements__dev_in="-c ../base.txt\n-r sub/tests.in\na\n--pre\n-e .\n",
        base_txt="b==1\n-r more.txt\n-c limits.txt",
        more_txt="c==1",
        limits_txt="d==1",
        requirements__sub__tests_in="e\n-c ../../base.txt\n",
    )
    loaded = load(root / "requirements" / "dev.in", root=root, environ={})
    assert [str(line.location) for line in loaded.requirements] == [
        "more.txt:1",
        "requirements/sub/tests.in:1",
        "requirements/dev.in:3",
    ]
    assert [(line.name, str(line.location)) for line in loaded.constraints] == [
        ("b", "base.txt:1"),
        ("d", "limits.txt:1"),
    ]
    assert [line.text for line in loaded.unlockables] == ["."]
    assert [line.name for line in loaded.options] == ["--pre"]
    assert loaded.files == {
        root / name
        for name in ("requirements/dev.in", "base.txt", "more.txt", "limits.txt", "requirements/sub/tests.in")
    }
    assert loaded.parsed[0].path == PurePath("requirements/dev.in")
    (root / "requirements" / "dev.in").write_text("-c ../base.txt\n-r sub/tests.in\na\n--pre\n", encoding="utf-8")
    pip = pip_reader.read_tree(root / "requirements" / "dev.in")
    assert not isinstance(pip, Refused)
    both = [(line, False) for line in loaded.requirements] + [(line, True) for line in loaded.constraints]
    assert set(pip) == {(line.location.path.name, line.project, limits) for line, limits in both}


def test_a_file_reached_as_both_counts_as_both_and_once_each(tree: Callable[..., Path]) -> None:
    root = tree(a_in="-r b.in\n-c b.in\n-r c.in", b_in="x==1\n-e .\n--pre\n", c_in="-r b.in")
    loaded = load(root / "a.in", root=root, environ={})
    assert [line.name for line in loaded.requirements] == ["x"]
    assert [line.name for line in loaded.constraints] == ["x"]
    assert len(loaded.unlockables) == len(loaded.options) == 1


def test_a_cycle_is_an_error_that_names_the_chain(tree: Callable[..., Path]) -> None:
    root = tree(top_in="-r a.in", a_in="x\n-c sub/b.in", sub__b_in="\n-r ../a.in")
    with pytest.raises(RequirementsError) as caught:
        load(root / "top.in", root=root, environ={})
    assert str(caught.value) == "sub/b.in:2: this file includes itself: a.in -> sub/b.in -> a.in"
    assert isinstance(pip_reader.read_tree(root / "top.in"), Refused)


def test_a_file_that_includes_itself_is_a_cycle(tree: Callable[..., Path]) -> None:
    root = tree(a_in="-r ./../" + "{}/a.in")
    (root / "a.in").write_text(f"-r ../{root.name}/a.in", encoding="utf-8")
    with pytest.raises(RequirementsError, match=r"^a\.in:1: .*: a\.in -> a\.in$"):
        load(root / "a.in", root=root, environ={})


def test_a_missing_file_is_an_error_of_the_line_that_includes_it(tree: Callable[..., Path]) -> None:
    root = tree(a__a_in="\n-c nowhere.txt")
    with pytest.raises(RequirementsError) as caught:
        load(root / "a" / "a.in", root=root, environ={})
    assert str(caught.value) == "a/a.in:2: cannot read a/nowhere.txt: No such file or directory"
    assert caught.value.hint
    with pytest.raises(RequirementsError, match=r"^b\.in: cannot read b\.in"):
        load(root / "b.in", root=root, environ={})
    with pytest.raises(RequirementsError, match=r"^a: cannot read a: Is a directory"):
        load(root / "a", root=root, environ={})
    (root / "nul.in").write_text("-r a\0b", encoding="utf-8")
    with pytest.raises(RequirementsError, match=r"^nul\.in:1: cannot read"):
        load(root / "nul.in", root=root, environ={})


def test_a_file_that_may_be_missing_says_nothing_until_it_is_there(tree: Callable[..., Path]) -> None:
    root = tree(a_in="-c base.txt\nx")
    for text, constraints in ((None, []), ("y==1", ["y"])):
        if text:
            (root / "base.txt").write_text(text, encoding="utf-8")
        loaded = load(root / "a.in", root=root, environ={}, may_be_missing={root / "base.txt"})
        assert [line.name for line in loaded.constraints] == constraints
        assert loaded.files == {root / "a.in", root / "base.txt"}


def test_a_path_outside_the_root_is_shown_relative_to_it(tree: Callable[..., Path]) -> None:
    root = tree(inside__a_in="-r ../b.in", b_in="x", inside__c_in="${FILE}")
    loaded = load(root / "inside" / "a.in", root=root / "inside", environ={})
    assert str(loaded.requirements[0].location) == "../b.in:1"
    with contextlib.chdir(root / "inside"):
        assert load(Path("a.in"), root=Path(), environ={}) == loaded
        assert load(Path("c.in"), root=Path(), environ={"FILE": "y"}).requirements[0].name == "y"


def test_a_path_on_another_drive_is_shown_as_it_is(tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_common_drive(path: str, start: str) -> str:
        raise ValueError(f"path is on another mount than {start}: {path}")

    root = tree(a_in="x")
    monkeypatch.setattr(os.path, "relpath", no_common_drive)
    assert load(root / "a.in", root=root, environ={}).parsed[0].path == root / "a.in"


# --- Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("six=1.0", "'six=1.0' is no requirement: "),
        ("six 1.0", "'six 1.0' is no requirement: "),
        ("six==1 ; bad", "'bad' is no marker: "),
        ("--unknown", "no such option: --unknown"),
        ("--require", "ambiguous option: --require (--require-hashes, --requirement?)"),
        ("-i", "-i option requires 1 argument"),
        ("-i 'x", "the options cannot be split into words: No closing quotation"),
        ("--no-binary -x", "--no-binary needs a value"),
        ("six -C ab", "--config-settings needs KEY=VALUE"),
        ("six --hash=sha256:xyz", "not a digest: 'sha256:xyz' (expected ALGORITHM:HEX)"),
        ("six --hash=sha256:ab", "a sha256 digest has 64 hexadecimal digits, not 2"),
        (f"six --hash=SHA256:{SHA}", f"not a digest: 'SHA256:{SHA}'"),
        ("six @ https://pkgs.example.com/x#egg=a+b", "name is invalid: 'a+b'"),
        ("six @ https://[bad/x", "Invalid IPv6 URL"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_file_and_line(text: str, reason: str) -> None:
    error = refusal(f"# x\n\nok==1\n{text} \\\n\nok==1")
    assert str(error).startswith(f"requirements/dev.txt:4: {reason}")
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"six\n# \xff\n", "a.in:2: these bytes are not utf-8 text: ff"),
        (b"# coding: ascii\nsix\n#\xc3\xa9", "a.in:3: these bytes are not ascii text: c3"),
        (b"# coding: nonsense\nsix", "a.in:1: the encoding it declares cannot be read: unknown encoding: nonsense"),
        (codecs.BOM_UTF16_LE + b"s", "a.in:1: these bytes are not utf-16-le text: 73"),
    ],
)
def test_bytes_that_are_no_text_are_an_error(content: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "utf-8")
    with pytest.raises(RequirementsError) as caught:
        parse(content, PurePath("a.in"), environ={})
    assert str(caught.value) == message
    assert caught.value.hint


def test_the_locale_says_how_to_read_what_is_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: "latin-1")
    [line] = parse(b"six  # caf\xe9", PurePath("a.in"), environ={}).lines
    assert isinstance(line, RequirementLine)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://pkgs.example.com/simple", "https://pkgs.example.com/simple"),
        ("https://tok:en@pkgs.example.com:8443/x?sig=a#sha256=b", "https://****@pkgs.example.com:8443/x?****#sha256=b"),
        ("https://token@pkgs.example.com", "https://****@pkgs.example.com"),
        ("'https://a:b@x/y?z=1', and git+https://c@d/e@f", "'https://****@x/y?****', and git+https://****@d/e@f"),
        ("https://me:pass/word@pkgs.example.com/x", "https://****"),
        ("https://me:pa'ss@pkgs.example.com/x", "https://****@pkgs.example.com/x"),
        ("https://[::1]:80/x", "https://[::1]:80/x"),
        ("https://[::1]/x#a?b", "https://[::1]/x#a?b"),
        ("https://x:/y", "https://x:/y"),
        ("six==1", "six==1"),
    ],
)
def test_what_a_url_could_give_away_is_masked(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "six @ https://me:SECRET@pkgs.example.com/six.zip?sig=SECRET",
        "-e git+https://SECRET@code.example.com/x",
        "git+https://SECRET@code.example.com/x",
        "-i https://me:SECRET@pkgs.example.com/simple",
    ],
)
def test_no_secret_is_shown_of_what_is_read(text: str) -> None:
    [line] = read(text).lines
    assert "SECRET" not in repr(line)
    assert "SECRET" in (getattr(line, "url", None) or getattr(line, "value", None) or "")


@pytest.mark.parametrize(
    "text",
    [
        "https://me:SECRET@pkgs.example.com/six.zip?sig=SECRET",
        "-r https://me:SECRET@pkgs.example.com/a.txt?sig=SECRET",
        "six @ s3://me:SECRET@bucket/six.zip?sig=SECRET",
        "six @ https://me:SECRET@pkgs.example.com/a.zip and more",
        "--pre https://me:SECRET@pkgs.example.com/",
        "--unknown=https://me:SECRET@pkgs.example.com/",
        "--no-index=https://me:SECRET@pkgs.example.com/",
        "https://me:SECRET@[bad/x",
        "six ; os_name == 'https://me:SECRET@pkgs.example.com/",
    ],
)
def test_no_secret_is_shown_in_an_error(text: str) -> None:
    error = refusal(text)
    assert "SECRET" not in f"{error} {error.hint} {error.args}"
