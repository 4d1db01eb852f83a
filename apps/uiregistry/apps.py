from django.apps import AppConfig


class UIRegistryConfig(AppConfig):
    name = "apps.uiregistry"
    label = "uiregistry"
    verbose_name = "UI registry"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers, and let menus know which routes have a page."""
        from apps.menus import pages
        from apps.uiregistry import receivers  # noqa: F401  importing the receivers connects them
        from apps.uiregistry.selectors.routes import routes_of

        pages.provide(routes_of)
