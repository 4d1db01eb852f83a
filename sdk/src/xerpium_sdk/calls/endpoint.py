"""Where a service is, as the first services know it."""

from dataclasses import dataclass

from xerpium_sdk.wire.registry import InstanceRecord

__all__ = ["ServiceEndpoint"]


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """An instance of a service that can be called.

    Attributes:
        name: the service's name.
        base_url: below which its API is.
        health_url: where it says how it is.
        version: what runs there.
        capabilities: what it can do.
    """

    name: str
    base_url: str
    health_url: str
    version: str
    capabilities: tuple[str, ...]

    @classmethod
    def of(cls, service: str, instance: InstanceRecord) -> "ServiceEndpoint":
        """Return the endpoint that an instance is."""
        return cls(
            name=service,
            base_url=instance.api_base_url.rstrip("/"),
            health_url=instance.health_check_url,
            version=instance.version,
            capabilities=tuple(instance.capabilities),
        )
