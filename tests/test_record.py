"""The record is read back as it was written, refuses what contradicts itself, and knows a build lock by what it pins."""

import doctest
import hashlib
import itertools
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockhouse import record as module
from lockhouse.digest import Digest
from lockhouse.errors import Location
from lockhouse.record import Line, Record, RecordError, build_lock_digest, parse, read
from lockhouse.requirements import Pin, RequirementLine, pin_of
from lockhouse.requirements import parse as parse_requirements

SHOWN = PurePath("requirements/built.sum")
A, B, C, D = (Digest("sha256", letter * 64) for letter in "abcd")
WEAK = "md5:" + "0" * 32


def line(
    wheel: str = "docopt-0.6.2-py2.py3-none-any.whl", digest: Digest = A, sdist: str = "docopt-0.6.2.tar.gz"
) -> Line:
    return Line(wheel=wheel, digest=digest, sdist=sdist, sdist_digest=B, build_lock=C)


OTHER = line("markupsafe-3.0.2-cp311-cp311-linux_x86_64.whl", D, "markupsafe-3.0.2.tar.gz")


def test_doctests():
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def lines() -> st.SearchStrategy[Line]:
    digests = st.builds(Digest, st.just("sha256"), st.sampled_from([letter * 64 for letter in "0123"])) | st.builds(
        Digest, st.just("sha512"), st.sampled_from(["a" * 128, "b" * 128])
    )
    return st.builds(
        lambda name, version, tag, suffix, digest, sdist_digest, build_lock: Line(
            wheel=f"{name}-{version}-{tag}.whl",
            digest=digest,
            sdist=f"{name}-{version}{suffix}",
            sdist_digest=sdist_digest,
            build_lock=build_lock,
        ),
        st.from_regex(r"\A[a-z][a-z0-9_]{0,3}[a-z0-9]\Z"),
        st.sampled_from(["1.0", "1.10", "2!1.0rc1", "1.0.post1", "1.0+local.1"]),
        st.sampled_from(["py3-none-any", "1-py2.py3-none-any", "cp311-cp311-linux_x86_64"]),
        st.sampled_from([".tar.gz", ".zip", ".tar.bz2"]),
        digests,
        digests,
        digests,
    )


def of(*given: Line) -> Record:
    found = Record()
    for each in given:
        found = found.with_(each)
    return found


@given(st.lists(lines(), max_size=8), st.randoms())
def test_a_record_is_read_back_as_it_was_written(given_lines, random):
    written = of(*given_lines)
    assert parse(written.text(), SHOWN) == written
    assert written.lines == tuple(sorted(set(given_lines)))
    shuffled = written.text().splitlines()
    random.shuffle(shuffled)
    assert parse("\n".join(shuffled), SHOWN) == written


@given(st.lists(lines(), max_size=8))
def test_the_lines_are_in_the_order_in_which_sort_puts_them(given_lines):
    header, *rest = of(*given_lines).text().splitlines()
    assert header.startswith("# ")
    assert rest == sorted(rest)


def test_a_line_is_written_as_it_is_meant_to_be_read():
    assert of(line()).text().splitlines()[1] == (
        f"docopt-0.6.2-py2.py3-none-any.whl sha256:{'a' * 64} "
        f"from docopt-0.6.2.tar.gz sha256:{'b' * 64} with sha256:{'c' * 64}"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"{OTHER}\n{line()}\n",
        f"\ufeff{line()}\r\n{OTHER}\r\n",
        f"# by hand\n\n  {line()}  \n   # more\n\t\n{OTHER}",
        f"{line()}\n{OTHER}\n{line()}\n",
        f"{line()}\n{OTHER}\n".replace(" ", "   "),
        f"# a form feed \x0c{line()} is no end of a line\n{line()}\n{OTHER}\n",
        f"{line()}\n{OTHER}\n".replace("a" * 64, "A" * 64),
    ],
)
def test_order_blanks_comments_and_repeats_do_not_count(text):
    assert parse(text, SHOWN) == of(line(), OTHER)


def test_a_line_knows_where_it_stands_and_is_the_same_elsewhere():
    [found] = parse(f"# first\n\n{line()}\n", SHOWN).lines
    assert str(found.location) == "requirements/built.sum:3"
    assert found == line()
    assert of(line()).with_(found) == of(line())


def test_builds_of_two_toolchains_stand_side_by_side():
    both = of(line(digest=A), line(digest=D))
    assert len(parse(both.text(), SHOWN).lines) == 2


def test_an_old_name_with_a_dash_in_its_version_is_the_same_release():
    old = line("demo-1.0.post1-py3-none-any.whl", A, "Demo-1.0-1.tar.gz")
    assert parse(str(old), SHOWN) == of(old)


SOUND = str(line())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<<<<<<< HEAD", "a merge conflict that is not resolved"),
        ("=======", "a merge conflict that is not resolved"),
        (">>>>>>> branch", "a merge conflict that is not resolved"),
        ("||||||| base", "a merge conflict that is not resolved"),
        ("docopt", "this line is not of the record's form"),
        (SOUND.rpartition(" ")[0], "this line is not of the record's form"),
        (f"{SOUND} more", "this line is not of the record's form"),
        (f"{SOUND} # why", "this line is not of the record's form"),
        (f"{SOUND} {SOUND}", "this line is not of the record's form"),
        (SOUND.replace("from", "of"), "this line is not of the record's form"),
        (SOUND.replace("with", "and"), "this line is not of the record's form"),
        (SOUND.replace(".whl", ".zip"), "'docopt-0.6.2-py2.py3-none-any.zip' is not a wheel's file name: "),
        (SOUND.replace(".tar.gz", ".rar"), "'docopt-0.6.2.rar' is not a source distribution's file name: "),
        (SOUND.replace("from docopt", "from ../docopt"), "'../docopt-0.6.2.tar.gz' is not a source distribution's file name: "),
        (SOUND.replace("from docopt", "from doc"), "docopt-0.6.2-py2.py3-none-any.whl is not a wheel of doc-0.6.2.tar.gz"),
        (SOUND.replace("0.6.2.tar", "0.6.20.tar"), "docopt-0.6.2-py2.py3-none-any.whl is not a wheel of docopt-0.6.20.tar.gz"),
        (SOUND.replace("0.6.2-py2", "0.6-py2"), "docopt-0.6-py2.py3-none-any.whl is not a wheel of docopt-0.6.2.tar.gz"),
        (SOUND.replace(str(A), WEAK), "md5 is too weak a digest to vouch for a file"),
        (SOUND.replace(str(B), WEAK), "md5 is too weak a digest to vouch for a file"),
        (SOUND.replace(str(C), WEAK), "md5 is too weak a digest to vouch for a file"),
        (SOUND.replace(str(A), "sha256:" + "a" * 63), "a sha256 digest has 64 hexadecimal digits, not 63"),
        (SOUND.replace(str(B), "b" * 64), "not a digest: "),
        (SOUND.replace(str(C), "sha256:" + "x" * 64), "not a digest: "),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_line_that_cannot_be_right_is_refused_with_file_and_line(text, reason, ending):
    with pytest.raises(RecordError) as caught:
        parse(ending.join(["# header", str(OTHER), text, SOUND, ""]), SHOWN)
    assert caught.value.reason.startswith(reason)
    assert caught.value.where == Location(SHOWN, 3)
    assert caught.value.hint


@given(st.text())
def test_any_text_is_read_or_refused_with_a_line(text):
    try:
        found = parse(text, SHOWN)
    except RecordError as error:
        where = error.where
    else:
        where = None
        assert parse(found.text(), SHOWN) == found
    assert where is None or 1 <= where.line <= text.count("\n") + 1


# What is asked of it


def test_lines_are_found_by_the_hashes_of_the_sdist():
    known = of(line(), OTHER, Line(**{**fields(line()), "sdist_digest": D}))
    assert known.for_sdist({B}) == (line(), OTHER)
    assert known.for_sdist([D, A]) == (Line(**{**fields(line()), "sdist_digest": D}),)
    assert known.for_sdist(()) == ()


def fields(given_line: Line):
    return {name: getattr(given_line, name) for name in ("wheel", "digest", "sdist", "sdist_digest", "build_lock")}


def test_lines_come_and_go_without_changing_the_record_they_come_from():
    one = of(line())
    two = one.with_(OTHER)
    assert (one.lines, two.lines) == ((line(),), (line(), OTHER))
    assert two.without(lambda each: each.sdist.startswith("docopt")) == of(OTHER)
    assert two.without(lambda _: False) == two


# On disk


def test_a_missing_file_is_an_empty_record(tmp_path: Path):
    assert read(tmp_path / "built.sum", SHOWN) == Record()


def test_a_record_is_written_once_and_removed_with_its_last_line(tmp_path: Path):
    path = tmp_path / "requirements" / "built.sum"
    known = of(line(), OTHER)
    assert known.write(path)
    before = path.stat()
    assert not known.write(path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert read(path, SHOWN) == known
    assert path.read_bytes() == known.text().encode()
    assert Record().write(path)
    assert list(path.parent.iterdir()) == []
    assert not Record().write(path)


def test_an_empty_record_makes_no_folder(tmp_path: Path):
    assert not Record().write(tmp_path / "requirements" / "built.sum")
    assert list(tmp_path.iterdir()) == []


def test_what_was_merged_by_hand_is_put_in_order(tmp_path: Path):
    path = tmp_path / "built.sum"
    path.write_text(f"{OTHER}\n{line()}\n{OTHER}\n", encoding="utf-8")
    assert read(path, SHOWN).write(path)
    assert path.read_text("utf-8") == of(line(), OTHER).text()


def test_the_file_is_read_whoever_saved_it(tmp_path: Path):
    path = tmp_path / "built.sum"
    path.write_bytes(b"\xef\xbb\xbf# caf\xc3\xa9\r\n" + f"{line()}\r\n".encode())
    assert read(path, SHOWN) == of(line())


def test_bytes_that_are_no_text_are_refused_with_file_and_line(tmp_path: Path):
    path = tmp_path / "built.sum"
    path.write_bytes(f"{line()}\n# caf".encode() + b"\xe9\n")
    with pytest.raises(RecordError) as caught:
        read(path, SHOWN)
    assert str(caught.value) == "requirements/built.sum:2: these bytes are not UTF-8 text"


# The digest of a build lock


def pins(text: str, **environ: str) -> list[Pin]:
    found = parse_requirements(text.encode(), PurePath("requirements/build/docopt.txt"), environ=environ)
    return [pin for each in found.lines if isinstance(each, RequirementLine) and (pin := pin_of(each))]


ONE, TWO = "--hash=sha256:" + "1" * 64, "--hash=sha512:" + "2" * 128
LOCK = f"setuptools==80.9.0 {ONE} {TWO}\nwheel==0.45.1 ; python_version < '3.13' {ONE}\n"


def test_the_digest_of_a_build_lock_stays_what_it_is():
    # Another one would make every record in the world stale.
    one, two = f"sha256:{'1' * 64}", f"sha512:{'2' * 128}"
    text = f'[["setuptools","80.9.0","","{one}","{two}"],["wheel","0.45.1","python_version < \\"3.13\\"","{one}"]]'
    assert build_lock_digest(pins(LOCK)) == Digest("sha256", hashlib.sha256(text.encode()).hexdigest())


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(reversed(LOCK.splitlines())),
        LOCK.replace(f"{ONE} {TWO}", f"{TWO} {ONE}"),
        LOCK.replace(ONE, f"{ONE} {ONE}"),
        LOCK.replace(TWO, f"{TWO} --hash=md5:{'0' * 32}"),
        f"# by pip-compile\n\n{LOCK}    # via -r docopt.in\n",
        LOCK.replace(" --hash", " \\\n    --hash"),
        LOCK.replace("setuptools", "SetupTools"),
        LOCK.replace("'3.13'", '"3.13"').replace(" ;", ";"),
        LOCK.replace("==80.9.0", "===80.9.0"),
        LOCK + LOCK,
    ],
)
def test_what_a_build_lock_says_beside_its_pins_does_not_count(text):
    assert build_lock_digest(pins(text)) == build_lock_digest(pins(LOCK))


def test_all_that_changes_what_is_installed_changes_the_digest():
    texts = [
        "",
        LOCK,
        LOCK.splitlines()[0],
        LOCK.replace("80.9.0", "80.9.1"),
        LOCK.replace("80.9.0", "80.9"),
        LOCK.replace("setuptools", "setuptools2"),
        LOCK.replace("3.13", "3.14"),
        LOCK.replace(" ; python_version < '3.13'", ""),
        LOCK.replace("1" * 64, "3" * 64),
        LOCK.replace(TWO, ""),
        LOCK.replace(f" {ONE} {TWO}", ""),
        LOCK.replace("==80.9.0", " @ https://pkgs.example.com/setuptools-80.9.0.zip"),
        LOCK.replace("==80.9.0", " @ https://pkgs.example.com/other/setuptools-80.9.0.zip"),
    ]
    digests = [build_lock_digest(pins(text)) for text in texts]
    for (first, one), (second, other) in itertools.combinations(zip(texts, digests, strict=True), 2):
        assert one != other, f"{first!r} and {second!r}"


def test_credentials_in_a_url_do_not_count():
    text = f"app @ https://me:${{TOKEN}}@pkgs.example.com/app-1.0.zip?sig=${{TOKEN}} {ONE}\n"
    assert build_lock_digest(pins(text, TOKEN="a")) == build_lock_digest(pins(text, TOKEN="b"))
