"""Answers what the URL or the path in a requirement is and what it tells, from its text alone.

Looks at no file system and opens no URL. It refuses a fragment that is no digest, or no project name.
"""

import posixpath
import re
from typing import Literal
from urllib.parse import unquote, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from lockhouse.digest import Digest

_ARCHIVES = (
    ".whl",
    ".zip",
    ".tar",
    ".tgz",
    ".tbz",
    ".txz",
    ".tlz",
    *(f".tar.{how}" for how in ("gz", "bz2", "xz", "lz", "lzma")),
)
_VCS = {
    "git": ("http", "https", "ssh", "git", "file"),
    "hg": ("http", "https", "ssh", "static-http", "file"),
    "svn": ("http", "https", "ssh", "svn", "file"),
    "bzr": ("http", "https", "ssh", "sftp", "ftp", "lp", "file"),
}
# pip looks for both in the whole URL, the query included, and so do we.
_HASH = re.compile(r"[#&](md5|sha1|sha224|sha256|sha384|sha512)=([^&]*)")
_EGG = re.compile(r"[#&]egg=([^&]*)")


def kind(url: str) -> Literal["download", "vcs", "path", "other", "none"]:
    """Say what fetches a URL: `none` is a text that is no URL; raises ValueError where it is a broken one.

    >>> [kind(url) for url in ("https://pkgs.example.com/a.zip", "git+ssh://code.example.com/a", "file:a.zip", "ftp://a")]
    ['download', 'vcs', 'path', 'other']
    >>> kind("app @ https://pkgs.example.com/app.zip")
    'none'
    """
    if ":" not in url and "//" not in url:
        return "none"
    scheme = urlsplit(url).scheme
    if scheme in {"http", "https"}:
        return "download"
    system, plus, transport = scheme.partition("+")
    if plus and transport in _VCS.get(system, ()):
        return "vcs"
    if scheme == "file":
        return "path"
    return "other" if scheme == "ftp" or (scheme and "://" in url) else "none"


def is_archive(text: str) -> bool:
    """Say whether pip takes a requirement for a file on this machine because of its name alone.

    >>> [is_archive(text) for text in ("app-1.0.zip", "app-1.0.tar.gz[x]", "app @ https://pkgs.example.com/app.zip")]
    [True, True, False]
    """
    before, at, _ = text.partition("@")
    if at and not looks_like_path(before):
        return False
    return posixpath.normpath(without_extras(text)).lower().endswith(_ARCHIVES)


def looks_like_path(text: str) -> bool:
    """Say whether a requirement looks like a path, of whatever system."""
    return text.startswith(".") or "/" in text or "\\" in text


def without_extras(text: str) -> str:
    """Cut the extras off the end of a path.

    >>> without_extras("./app [tests]")
    './app'
    """
    before, bracket, extras = text[:-1].rpartition("[") if text.endswith("]") else ("", "", "")
    return before.rstrip() if before and bracket and extras and "]" not in extras else text


def project(url: str) -> NormalizedName | None:
    """Return the project that `#egg=` names; raises ValueError where that is no name.

    >>> project("git+https://code.example.com/app.git#egg=My.App&subdirectory=src")
    'my-app'
    """
    egg = _EGG.search(url)
    return canonicalize_name(egg.group(1), validate=True) if egg else None


def digest(url: str) -> Digest | None:
    """Return the first digest in a URL; raises ValueError where it is malformed.

    >>> digest("https://pkgs.example.com/app.zip#md5=d41d8cd98f00b204e9800998ecf8427e").algorithm
    'md5'
    """
    found = _HASH.search(url)
    return Digest.parse(":".join(found.groups())) if found else None


def version(url: str, name: NormalizedName) -> Version | None:
    """Return the version in the file name of a URL, or None where it is not one of this project.

    >>> version("https://pkgs.example.com/my_app-1.10-py3-none-any.whl", canonicalize_name("my.app"))
    <Version('1.10')>
    """
    filename = posixpath.basename(unquote(urlsplit(url).path))
    read = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
    try:
        found, told, *_ = read(filename)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    return told if found == name else None
