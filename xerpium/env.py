"""Typed readers of the process environment.

Every setting is read once, at start, and a value that cannot be used stops the start with the name of the setting.
A secret may be given as ``NAME`` or as ``NAME_FILE``, the path of a file that holds it (Docker and Kubernetes secrets).
"""

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


def env_str(name: str, default: str | None = None) -> str:
    """Return ``NAME``, or the stripped content of the file named by ``NAME_FILE``, or ``default``.

    Raises:
        ImproperlyConfigured: nothing is set and there is no default; both are set; or the file cannot be read.
    """
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value is not None and path is not None:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one of them.")
    if path is not None:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE must be the path of a readable text file: {error}.") from error
    if value is None or value == "":
        if default is None:
            raise ImproperlyConfigured(f"{name} is not set: set {name}, or {name}_FILE to a file that holds it.")
        return default
    return value


def env_bool(name: str, default: bool) -> bool:
    """Return ``NAME`` as a truth value: 1/true/yes/on or 0/false/no/off, in any case.

    Raises:
        ImproperlyConfigured: the value is none of these words.
    """
    value = env_str(name, "").lower()
    if not value:
        return default
    if value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name} must be 1 or 0 (true/false, yes/no, on/off), not {value!r}.")
    return value in TRUE


def env_int(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return ``NAME`` as a whole number between ``minimum`` and ``maximum``, both included.

    Raises:
        ImproperlyConfigured: the value is not such a number.
    """
    raw = env_str(name, str(default))
    try:
        value = int(raw)
    except ValueError:
        value = minimum - 1
    if not minimum <= value <= maximum:
        raise ImproperlyConfigured(f"{name} must be a whole number from {minimum} to {maximum}, not {raw!r}.")
    return value


def env_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return ``NAME`` as a list: comma-separated, blanks around and empty parts dropped."""
    raw = env_str(name, ",".join(default) or "")
    return [part.strip() for part in raw.split(",") if part.strip()]


def env_networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return ``NAME`` as networks: comma-separated CIDRs or addresses, ``10.0.0.0/8, 2001:db8::1``.

    Raises:
        ImproperlyConfigured: a part is no network, or has bits set behind its prefix.
    """
    try:
        return tuple(ip_network(part) for part in env_list(name))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be networks such as 10.0.0.0/8: {error}.") from None


def env_url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """Return ``NAME`` as a URL whose scheme is one of ``schemes``.

    Raises:
        ImproperlyConfigured: the value is no URL, or its scheme is another. The message never repeats the value,
            which may hold a password.
    """
    raw = env_str(name, default)
    scheme, _, rest = raw.partition("://")
    if scheme not in schemes or not rest or not _is_url(raw):
        raise ImproperlyConfigured(f"{name} must be a URL that begins with {' or '.join(s + '://' for s in schemes)}.")
    return raw


def env_origin(name: str, default: str) -> str:
    """Return ``NAME`` as the beginning of addresses: ``https://hub.example:8443``, without a slash at its end.

    Raises:
        ImproperlyConfigured: it is no such URL, or has a path, a query, or a user in it.
    """
    raw = env_url(name, default, schemes=("http", "https")).removesuffix("/")
    host = raw.partition("://")[2]
    if not re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", host):
        raise ImproperlyConfigured(
            f"{name} must be scheme, host and port only, such as https://hub.example: the hub is at the root of its"
            " host, and tokens name it by this address, to the letter."
        )
    return raw


def _is_url(text: str) -> bool:
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True


def env_path(name: str, default: Path) -> Path:
    """Return ``NAME`` as an absolute path, ``~`` expanded."""
    return Path(env_str(name, str(default))).expanduser().resolve()


SHORTEST_SECRET = 32
MOST_VERSIONS = 32767


def env_secrets(name: str, default: str | None = None) -> dict[int, str]:
    """Return ``NAME`` as secrets by version, in their order: ``2:<secret>,1:<secret>``; the first is the current one.

    Raises:
        ImproperlyConfigured: a part is not a version and a secret of at least 32 characters, or a version stands
            twice. The message never repeats a secret.
    """
    found: dict[int, str] = {}
    for number, part in enumerate(env_str(name, default).split(","), start=1):
        version, colon, secret = part.strip().partition(":")
        known = version.isascii() and version.isdecimal() and 1 <= int(version) <= MOST_VERSIONS
        if not colon or not known:
            raise ImproperlyConfigured(
                f"{name}: part {number} must be version:secret, with a version from 1 to {MOST_VERSIONS}."
            )
        if len(secret) < SHORTEST_SECRET:
            raise ImproperlyConfigured(
                f"{name}: the secret of version {version} must have at least {SHORTEST_SECRET} characters;"
                " python -c 'import secrets; print(secrets.token_urlsafe(48))' makes a good one."
            )
        if int(version) in found:
            raise ImproperlyConfigured(f"{name}: version {version} stands twice; give each secret its own.")
        found[int(version)] = secret
    return found


def read_env_file(path: Path) -> dict[str, str]:
    """Return the ``NAME=value`` lines of a file such as ``hub.env``; empty when the file is absent or unreadable."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
