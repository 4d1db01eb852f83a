"""What the commands about keys share: how their options are read, who runs them, and how refusals are told."""

import argparse
import datetime as dt
import os
import pwd
import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from apps.core.errors import HubError
from apps.core.tenancy import Companies, system, use

__all__ = ["companies", "duration", "person", "running", "texts"]

_UNITS = {"m": dt.timedelta(minutes=1), "h": dt.timedelta(hours=1), "d": dt.timedelta(days=1)}
_OPTIONS = {"name": "NAME", "lifetime": "--valid", "expires_at": "--expires", "key_expires_at": "--key-expires"}


def companies(text: str) -> Companies:
    """Read ``1,2`` (these), ``*`` (all), or ``none``.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    text = text.strip()
    if text == "*":
        return "*"
    if text.lower() == "none":
        return frozenset()
    numbers = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,19}", number, re.ASCII) for number in numbers):
        raise argparse.ArgumentTypeError("companies are numbers with commas between (1,2), '*' for all, or none")
    return frozenset(int(number) for number in numbers)


def duration(text: str) -> dt.timedelta:
    """Read ``30m``, ``12h`` or ``90d``.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    found = re.fullmatch("([0-9]{1,5})([mhd])", text.strip(), re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError("a time is a number and m, h or d: 30m, 12h, 90d")
    return int(found[1]) * _UNITS[found[2]]


def texts(text: str) -> list[str]:
    """Read words with commas or blanks between."""
    return [part for part in re.split(r"[,\s]+", text) if part]


def person() -> str:
    """Return who runs this process, as the system knows him: no variable of the environment can say otherwise."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container may run as a number that nobody has
        return f"uid {number}"


@contextmanager
def running(command: str) -> Iterator[str]:
    """Run the block as the hub itself, and tell its refusals in the words of the command's options.

    Yields the person, as keys and accounts say by whom they were made; the audit names him and the command.

    Raises:
        CommandError: the block was refused.
    """
    who = person()
    try:
        with use(system(f"{who} with manage.py {command}")):
            yield f"{who} with manage.py"
    except HubError as error:
        told = [f"{_option(fault.pointer)}: {fault.message}" for fault in error.errors]
        raise CommandError("\n".join(told) or error.detail) from error


def _option(pointer: str) -> str:
    name = pointer.lstrip("/").partition("/")[0]
    return _OPTIONS.get(name, f"--{name}")
