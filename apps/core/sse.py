"""Frames of event streams (WHATWG HTML, "Server-sent events"), shared by those on the event loop and their twins."""

KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_SECONDS = 15.0
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # nginx would else hold events back until its buffer is full.
    "X-Accel-Buffering": "no",
}


def frame(event: str, revision: int, data: bytes) -> bytes:
    """Return one event; ``data`` is JSON on one line, ``revision`` is what a client resumes from."""
    return b"event: %b\nid: %d\ndata: %b\n\n" % (event.encode(), revision, data)


def last_event_id(text: str | None) -> int | None:
    """Return the revision that a client says it has, or None when it says nothing of use."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
