"""Makes text safe to show: what a URL in it could give away is masked.

Masks user, password and query string of every URL; it changes nothing else, and nothing that is used, only what is shown.
"""

import re

_MASK = "****"
_QUERY = re.compile(r"\?(?!\*)[^\s'\")]+")
_URL = re.compile(
    r"""(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<authority>[^/?#\s]*?)(?P<rest>(?:[/?#]\S*?)?)(?P<end>['",;)>]*)(?=\s|$)"""
)


def redact(text: str) -> str:
    """Mask user, password and query string of every URL in a text.

    >>> redact("app @ https://me:secret@pkgs.example.com/app-1.0.zip?sig=abc#egg=app")
    'app @ https://****@pkgs.example.com/app-1.0.zip?****#egg=app'
    >>> redact("git+ssh://git@code.example.com/app@v1.0")
    'git+ssh://****@code.example.com/app@v1.0'
    """
    # To look for what is not there takes the pattern long, and nearly no text has a URL.
    return _URL.sub(_mask, text) if "://" in text else text


def redact_error(text: str) -> str:
    """Mask what `redact` masks, and queries of URLs that an error shows without their host.

    >>> redact_error("Max retries exceeded with url: /a.whl?sig=abc")
    'Max retries exceeded with url: /a.whl?****'
    """
    return _QUERY.sub(f"?{_MASK}", redact(text))


def _mask(url: re.Match[str]) -> str:
    scheme, authority, rest, end = url.group("scheme", "authority", "rest", "end")
    _, at, host = authority.rpartition("@")
    _, colon, port = host.rpartition(":")
    if colon and not at and not host.endswith("]") and not (port.isdecimal() or port == ""):
        # No port: this is a password with a "/", "?" or "#" in it, and what follows is the rest of it.
        return f"{scheme}{_MASK}{end}"
    before, hash_sign, fragment = rest.partition("#")
    path, question, _ = before.partition("?")
    return f"{scheme}{at and _MASK}{at}{host}{path}{question}{question and _MASK}{hash_sign}{fragment}{end}"
