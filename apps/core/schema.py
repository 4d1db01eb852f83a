"""The OpenAPI document: what drf-spectacular finds, plus what is true of every route of the hub."""

from drf_spectacular.openapi import AutoSchema


class HubAutoSchema(AutoSchema):
    """Describes one operation."""
