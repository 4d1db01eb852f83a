"""Running a command: options, errors in plain words, and how it ends."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xerpium_sdk.cli._screen import Screen

__all__ = ["main"]

DEFECT = "This is a defect of xerpium: {}: {}. With --verbose it is shown whole; please report it."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (default: of the process) ask for; return what the process ends with."""
    from xerpium_sdk.cli._codes import INTERRUPTED, NOBODY_READS

    try:
        code = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _let_nobody_read()
        return NOBODY_READS
    return code


def _run(arguments: Sequence[str] | None) -> int:
    from xerpium_sdk.cli._codes import ASKED_WRONGLY
    from xerpium_sdk.cli._parser import parser

    try:
        asked, unknown = parser().parse_known_args(arguments)
        if unknown:
            asked.shown.error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as end:  # help was shown, or what is wrong
        return int(end.code or 0)
    if asked.run is None:
        asked.shown.print_help()
        return ASKED_WRONGLY
    return _carried_out(asked)


def _carried_out(asked: Namespace) -> int:
    from importlib import import_module

    from xerpium_sdk.cli._screen import Screen

    screen = Screen(sys.stdout, sys.stderr, os.environ, as_json=getattr(asked, "json", False))
    module, _, function = asked.run.partition(":")
    try:
        with _logging(verbose=asked.verbose):
            return int(getattr(import_module(f"xerpium_sdk.cli.{module}"), function)(asked, screen))
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        return _failed(error, asked, screen)


def _failed(error: Exception, asked: Namespace, screen: "Screen") -> int:
    from xerpium_sdk.auth import has_key
    from xerpium_sdk.calls import CallError
    from xerpium_sdk.cli._codes import NOT_DONE, Wrong
    from xerpium_sdk.cli._failures import code_of, told
    from xerpium_sdk.errors import HubError

    if isinstance(error, HubError | CallError | Wrong):
        for line in told(error, has_key=has_key()):
            screen.note(line)
        return code_of(error)
    if asked.verbose:
        raise error
    screen.note(DEFECT.format(type(error).__name__, error))
    return NOT_DONE


@contextmanager
def _logging(*, verbose: bool) -> Iterator[None]:
    """Let the SDK's own log be seen only by who wants it: what matters, the command says itself."""
    import logging

    log = logging.getLogger("xerpium_sdk")
    before = log.handlers, log.level, log.propagate
    log.handlers = [logging.StreamHandler(sys.stderr) if verbose else logging.NullHandler()]
    log.propagate = False
    if verbose:
        log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.handlers, log.level, log.propagate = before


def _let_nobody_read() -> None:
    """Keep Python from complaining at its end that it cannot write what is left."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
