"""The table of addresses that is printed when everything answers. Pure."""

from collections.abc import Iterable
from urllib.parse import urlsplit


def without_password(url: str) -> str:
    """Return the address of an engine as it may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    _, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{parts.username}@{place}" if parts.username else place).geturl()


def table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return ``rows`` of a name and a text below ``title``, the texts in one column."""
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return "\n".join(["", f"  {title}", "", *(f"  {name:<{width}}  {text}".rstrip() for name, text in rows), ""])
