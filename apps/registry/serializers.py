"""What the registry's routes take. Every rule of the contract's "Registry" that one request can break is here."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from rest_framework import serializers

from apps.core.names import SEMVER_PATTERN, SERVICE_PATTERN
from apps.core.outward import OutwardRefused
from apps.core.pagination import ListQuery
from apps.core.serializers import Query, QueryText, StrictSerializer, Text
from apps.core.serializers import service_name as well_formed_name
from apps.registry import models
from apps.registry.policy import REFUSED_TEXT, health_policy
from apps.registry.prober import check_registrable_blocking
from xerpium_sdk.wire import versions
from xerpium_sdk.wire.registry import Status

RESERVED_NAMES = frozenset(
    {
        "register",
        "health",
        "graph",
        "catalog",
        "stream",
        "instances",
        "history",
        "manifest",
        "drain",
        "resume",
        "revisions",
    }
)
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
WORD = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
INSTANCE_ID = re.compile(r"[^\x00-\x20\x7f/?#\\]{1,200}")
# For the OpenAPI document, in the regular expressions of ECMA-262.
ID_PATTERN = r"^[^\u0000-\u0020\u007f/?#\\]{1,200}$"
MAX_ITEMS = 100
MAX_METADATA_BYTES = 16_384


def service_name(value: str) -> str:
    """Return ``value`` when it can name a service.

    Raises:
        ValidationError: it does not match the contract's pattern, or is the name of a route.
    """
    well_formed_name(value)
    if value in RESERVED_NAMES:
        raise serializers.ValidationError(
            f"{value!r} is the address of something else: choose another.", "reserved_name"
        )
    return value


def host(value: str) -> str:
    """Return ``value`` when other services can reach it by this name or address.

    Raises:
        ValidationError: it is no host, or the wildcard address that servers bind to.
    """
    bracketed = value.startswith("[") and value.endswith("]")
    address = _address(value[1:-1] if bracketed else value)
    if value == "0" or (address is not None and address.is_unspecified):
        raise serializers.ValidationError(
            f"{value} means every address of your own machine and others cannot reach it: "
            "give the name or address by which they can.",
            "unreachable_host",
        )
    usable = isinstance(address, IPv6Address) if bracketed else address or HOST_NAME.fullmatch(value)
    if not usable:
        raise serializers.ValidationError("Not a host name or an IP address.", "host")
    return value


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # The name of one of the service's own network interfaces means nothing to others.
        return None if address.scope_id else address.ipv4_mapped or address
    return address


def http_url(value: str) -> str:
    """Return ``value`` when it is an absolute http or https URL without credentials.

    Raises:
        ValidationError: it is not.
    """
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\x00-\x20\x7f\\]", value):
        raise serializers.ValidationError("Not an absolute http or https URL.", "url")
    if parts.username is not None or parts.password is not None:
        raise serializers.ValidationError("A URL here must not carry a user name or a password.", "url_credentials")
    return value


def health_url(value: str) -> str:
    """Return ``value`` when it is a URL that the hub may fetch; looking its name up takes a second at most.

    Raises:
        ValidationError: it is no URL, or the policy refuses it: with one text for all causes, so that none tells more.
    """
    http_url(value)
    try:
        check_registrable_blocking(value, health_policy())
    except OutwardRefused as error:
        raise serializers.ValidationError(REFUSED_TEXT, "url_not_allowed") from error
    return value


def semver(value: str) -> str:
    """Return ``value`` when it is a SemVer 2.0.0 version.

    Raises:
        ValidationError: it is not.
    """
    if not versions.is_version(value):
        raise serializers.ValidationError("Not a semantic version such as 1.4.2 or 2.0.0-rc.1.", "semver")
    return value


def words(value: list[str]) -> list[str]:
    """Return ``value`` without repetitions, in its order."""
    return list(dict.fromkeys(value))


def word(value: str) -> str:
    """Return ``value`` when it is one line of printable text.

    Raises:
        ValidationError: it holds control characters or is empty.
    """
    if not WORD.fullmatch(value):
        raise serializers.ValidationError("1 to 100 characters without control characters.", "text")
    return value


def instance_id(value: str) -> str:
    """Return ``value`` when it can stand in an address as one segment.

    Raises:
        ValidationError: it cannot.
    """
    if not INSTANCE_ID.fullmatch(value) or value in (".", ".."):
        raise serializers.ValidationError("1 to 200 characters without blanks, '/', '?', '#' and '\\'.", "instance_id")
    return value


def modest(value: dict[str, Any]) -> None:
    """Let through what is small enough to travel in every record of the service.

    Raises:
        ValidationError: it is larger.
    """
    if len(orjson.dumps(value)) > MAX_METADATA_BYTES:
        raise serializers.ValidationError(f"As JSON this may have at most {MAX_METADATA_BYTES} bytes.", "too_large")


class WordList(serializers.ListField):
    """A list of short texts; what stands in it twice counts once."""

    child = Text(word, max_length=100)

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_ITEMS, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the list, each text once."""
        return words(super().to_internal_value(data))


class NameList(WordList):
    """A list of services' names."""

    child = Text(service_name, max_length=100, pattern=SERVICE_PATTERN)


class RegistrationSerializer(StrictSerializer):
    """``POST services/register``."""

    name = Text(service_name, max_length=100, pattern=SERVICE_PATTERN, help_text="Unique in the hub.")
    version = Text(semver, max_length=100, pattern=SEMVER_PATTERN, help_text="SemVer 2.0.0.")
    host = Text(host, max_length=253, help_text="Where others reach this instance; not 0.0.0.0 or ::.")
    port = serializers.IntegerField(min_value=1, max_value=65535)
    health_check_url = Text(health_url, max_length=2048, help_text="Polled by the hub, where its policy allows that.")
    api_base_url = Text(http_url, max_length=2048)
    api_docs_url = Text(http_url, max_length=2048, required=False, allow_null=True, default=None)
    tags = WordList(required=False, default=list)
    capabilities = WordList(required=False, default=list)
    dependencies = NameList(required=False, default=list, help_text="Names of the services that this one needs.")
    instance_id = Text(
        instance_id, max_length=200, required=False, pattern=ID_PATTERN, help_text="By default `host:port`."
    )
    weight = serializers.IntegerField(
        min_value=0, max_value=models.MAX_WEIGHT, required=False, default=100, help_text="Share of the work."
    )
    zone = Text(word, max_length=100, required=False, allow_null=True, default=None)
    metadata = serializers.DictField(required=False, default=dict, validators=[modest])
    lease_seconds = serializers.IntegerField(
        min_value=models.MIN_LEASE_SECONDS,
        max_value=models.MAX_LEASE_SECONDS,
        required=False,
        default=90,
        help_text="How long it may be silent before it goes stale.",
    )
    deregister_after_seconds = serializers.IntegerField(
        min_value=models.MIN_DEREGISTER_SECONDS,
        max_value=models.MAX_DEREGISTER_SECONDS,
        required=False,
        default=600,
        help_text="How long it may be stale before it leaves.",
    )
    poll_interval_seconds = serializers.IntegerField(
        min_value=1, max_value=3600, required=False, help_text="By default as the hub is set up (30)."
    )
    company_id = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, allow_null=True, default=None, help_text="Absent: global."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Fill in what follows from the rest."""
        attrs.setdefault("instance_id", f"{attrs['host']}:{attrs['port']}")
        attrs.setdefault("poll_interval_seconds", settings.POLL_INTERVAL_SECONDS)
        return attrs


class ReportSerializer(StrictSerializer):
    """``POST services/health``."""

    service_name = Text(max_length=100)
    status = serializers.ChoiceField(choices=models.REPORT_CHOICES)
    details = serializers.DictField(required=False, default=dict)
    timestamp = serializers.DateTimeField(required=False)
    instance_id = Text(max_length=200, required=False)


class ReasonSerializer(StrictSerializer):
    """What drain and resume take."""

    reason = Text(max_length=500, required=False, allow_blank=True, default="")


class ServiceListQuery(ListQuery):
    """Filters of ``GET services/``."""

    tag = QueryText(max_length=100, required=False)
    capability = QueryText(max_length=100, required=False)
    status = serializers.ChoiceField(choices=models.STATUS_CHOICES, required=False, help_text="Of the service.")
    dependency = QueryText(max_length=100, required=False, help_text="Who declares this one.")
    company_id = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    q = QueryText(max_length=100, required=False, help_text="Part of a name, a tag or a capability.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Read the status as a status."""
        if "status" in attrs:
            attrs["status"] = Status(attrs["status"])
        return attrs


class BlockingQuery(Query):
    """Parameters of ``GET services/{name}``."""

    version = QueryText(max_length=256, required=False, help_text="An npm-style range, such as ^1.2.")
    zone = QueryText(max_length=100, required=False, help_text="Instances of this zone come first.")
    wait = serializers.IntegerField(min_value=0, max_value=60, required=False, help_text="Seconds.")
    revision = serializers.IntegerField(min_value=0, max_value=2**63 - 1, required=False)


class HistoryQuery(ListQuery):
    """Parameters of a service's history."""

    instance_id = QueryText(max_length=200, required=False)
