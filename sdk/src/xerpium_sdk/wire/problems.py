"""The one shape of every error answer: RFC 9457 problem documents with a code and pointers (contract, ground rules)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["FieldProblem", "Problem"]


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One fault of a request: where (RFC 6901 pointer, or ``?name`` of a query parameter), which, and in words."""

    pointer: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error answer: ``code`` is for programs, ``detail`` for people, ``request_id`` finds it in the hub's log."""

    status: int
    title: str
    detail: str = ""
    code: str = ""
    type: str = "about:blank"
    request_id: str | None = None
    errors: tuple[FieldProblem, ...] = ()

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, status: int = 0) -> Self:
        """Read a problem as far as it can be read; never raises, since it is read when something went wrong already.

        ``status`` is used where the document names none, as in an answer of a proxy on the way.
        """
        named = document.get("status")
        return cls(
            status=named if isinstance(named, int) else status,
            title=str(document.get("title") or ""),
            detail=str(document.get("detail") or ""),
            code=str(document.get("code") or ""),
            type=str(document.get("type") or "about:blank"),
            request_id=_text_or_none(document.get("request_id")),
            errors=tuple(_fault(item) for item in _items(document.get("errors"))),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document; ``request_id`` and ``errors`` are always there, so that clients need not ask."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": self.request_id,
            "errors": [{"pointer": f.pointer, "code": f.code, "message": f.message} for f in self.errors],
        }


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _fault(item: Mapping[str, Any]) -> FieldProblem:
    return FieldProblem(*(str(item.get(name) or "") for name in ("pointer", "code", "message")))


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
