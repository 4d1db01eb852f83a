"""Paths of the application and endpoints of services: what is one, and which two are the same. Pure.

A path is where a menu item or a page is (``/products/edit/:id``); an endpoint is where a service answers
(``/api/v1/products/{id}``). Both are judged as they are and as whatever they may be decoded to on the way, so that
nothing that looks harmless here becomes another address behind a proxy.
"""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

__all__ = [
    "MAX_ENDPOINT",
    "MAX_PATH",
    "MAX_URL",
    "endpoint_fault",
    "endpoint_names",
    "hidden_character",
    "param_names",
    "path_fault",
    "route_key",
    "url_fault",
]

MAX_PATH = 200
MAX_ENDPOINT = 500
MAX_URL = 2000
MAX_DECODINGS = 5

_PARAM = re.compile(r":[a-z][a-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_URL = re.compile(r"https://(?P<host>[^/?#@:]+)(?::[0-9]{1,5})?(?:[/?#].*)?", re.IGNORECASE)
# Control and format characters (bidirectional overrides, zero-width ones), lone surrogates and line ends.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"


def hidden_character(text: str) -> bool:
    """Whether ``text`` holds a character that is not seen, or that makes others be read in another order.

    Joiners do not count between letters that they shape, as Persian and emoji need them.
    """
    if text.isascii():
        return not text.isprintable()
    return any(
        unicodedata.category(one) in _HIDDEN and not (one in _JOINERS and text[:number].strip(_JOINERS))
        for number, one in enumerate(text)
    )


def path_fault(path: str) -> str | None:
    """Return what is wrong with the path of a menu item or a page, in a sentence; None when nothing is.

    A path begins with ``/`` and is one address within the application, however often it is decoded. A segment that
    begins with ``:`` stands for anything; its name is unique in the path.
    """
    if not path.startswith("/"):
        return "A path begins with “/” and names no scheme and no host."
    if len(path) > MAX_PATH or len(route_key(path)) > MAX_PATH:
        return f"A path has at most {MAX_PATH} characters."
    if re.search(r"[?#\\]", path):
        return "A path holds none of “?”, “#” and “\\”."
    return _address_fault(path, "A path") or _params_fault(path)


def endpoint_fault(text: str) -> str | None:
    """Return what is wrong with the endpoint of a service, in a sentence; None when nothing is.

    An endpoint is an absolute path on the origin of the service's ``api_base_url``, with ``{names}`` to be filled in
    and perhaps a query. It never leads to another host, and is still the same path after it is normalised.
    """
    if not text.startswith("/"):
        return "An endpoint begins with “/”: it is a path on the service's own host."
    if len(text) > MAX_ENDPOINT:
        return f"An endpoint has at most {MAX_ENDPOINT} characters."
    path, _, query = text.partition("?")
    if re.search(r"[#\\]", text) or "@" in path:
        return "An endpoint holds none of “#” and “\\”, nor “@” before its query."
    if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
        return "What is to be filled in is written {name}."
    if query and (_ESCAPE.search(query) or hidden_character(unquote(query)) or " " in query):
        return "The query of an endpoint holds what cannot stand in an address."
    return _address_fault(path, "An endpoint")


def url_fault(url: str) -> str | None:
    """Return what is wrong with a link to elsewhere, in a sentence; None when nothing is: only https."""
    if len(url) > MAX_URL:
        return f"A link has at most {MAX_URL} characters."
    if hidden_character(url) or " " in url or "\\" in url or not _URL.fullmatch(url):
        return "A link to elsewhere begins with “https://” and a host, without a user name."
    return None


def route_key(path: str) -> str:
    """Return what two paths have in common that cannot be told apart: a row may have it once.

    Case, a slash at the end, the names of parameters and how a character is escaped make no difference.
    """
    parts = (":" if part.startswith(":") else _decoded_once(part) for part in path.rstrip("/").split("/"))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", "/".join(parts)).lower()) or "/"


def param_names(path: str) -> tuple[str, ...]:
    """Return the names of the parameters of a path, in their order: ``("id",)`` for ``/products/edit/:id``."""
    return tuple(part[1:] for part in path.split("/") if part.startswith(":"))


def endpoint_names(endpoint: str) -> tuple[str, ...]:
    """Return the names that an endpoint wants filled in, in their order: ``("id",)`` for ``/products/{id}``."""
    return tuple(_PLACEHOLDER.findall(endpoint))


def _address_fault(path: str, what: str) -> str | None:
    """Return what is wrong with ``path`` as the path of an address, also after it is decoded again and again."""
    if _ESCAPE.search(path):
        return f"{what} has two hexadecimal digits behind each “%”."
    forms = list(_decodings(path))
    if len(forms) > MAX_DECODINGS:
        return f"{what} is not escaped more than {MAX_DECODINGS} times over."
    for number, form in enumerate(forms):
        if hidden_character(form) or set(_JOINERS) & set(form) or (number == 0 and re.search(r"\s", form)):
            return f"{what} holds no spaces and no hidden characters."
        if "//" in form:
            return f"{what} has no empty segments: “//” would be another host to some."
        if {".", ".."} & set(form.split("/")) or ".." in form:
            return f"{what} names where it leads: no “.” and “..”."
        if number and (form.count("/") != path.count("/") or "\\" in form):
            return f"{what} holds no escaped slash."
    return None


def _params_fault(path: str) -> str | None:
    named = [part for part in path.split("/") if part.startswith(":")]
    if any(not _PARAM.fullmatch(part) for part in named):
        return "A parameter is written :name, of a-z, 0-9 and “_”, beginning with a letter."
    if len(set(named)) < len(named):
        return "Each parameter of a path has a name of its own."
    return None


def _decodings(text: str) -> Iterator[str]:
    """Yield ``text``, and what each decoding makes of the one before, as long as there is something to decode."""
    yield text
    for _ in range(MAX_DECODINGS):
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded
        yield text


def _decoded_once(part: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        return part
