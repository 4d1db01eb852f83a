from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "apps.registry"
    label = "registry"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers, and give the relay its projection."""
        from apps.events import projections
        from apps.registry import observation, receivers  # noqa: F401  importing the receivers connects them
        from apps.registry.projection import CatalogProjection
        from xerpium_sdk.wire.keys import REGISTRY_CHANGES

        projections.register(REGISTRY_CHANGES, CatalogProjection())
        observation.install()
