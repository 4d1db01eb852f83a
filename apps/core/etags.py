"""Strong ETags and conditional reads (RFC 9110, 8.8.3 and 13.1.2)."""

from hashlib import blake2b

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags

# A 304 repeats the headers of the 200, but for those that describe the body which it does not have.
_OF_THE_BODY = frozenset({"content-type", "content-length", "content-encoding"})


def etag_of(body: bytes) -> str:
    """Return the strong ETag of a body: equal bytes, equal tag."""
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Return whether a caller who sent this ``If-None-Match`` has the body of ``etag``; weak tags match too."""
    bare = etag.removeprefix("W/")
    return any(tag in ("*", etag) or tag.removeprefix("W/") == bare for tag in parse_etags(if_none_match))


def conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return ``response`` with an ETag (the view's own, if it set one), or a 304 for a caller who has it already.

    Answers depend on who asks, and are true for a moment: caches must ask again, and shared ones must not keep them.
    """
    headers = response.headers
    if "ETag" not in headers:
        headers["ETag"] = etag_of(response.content)
    headers.setdefault("Cache-Control", "private, no-cache")
    known = request.META.get("HTTP_IF_NONE_MATCH")
    if known is None or not matches(known, headers["ETag"]):
        return response
    kept = {name: value for name, value in headers.items() if name.lower() not in _OF_THE_BODY}
    return HttpResponseNotModified(headers=kept)
