"""The Django app."""

from django.apps import AppConfig

__all__ = ["SdkConfig"]


class SdkConfig(AppConfig):
    """The outbox and the handled events of a service."""

    name = "xerpium_sdk.django"
    label = "xerpium_sdk"
    verbose_name = "XERPIUM events"
    default_auto_field = "django.db.models.BigAutoField"
