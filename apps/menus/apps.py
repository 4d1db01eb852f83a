from django.apps import AppConfig


class MenusConfig(AppConfig):
    name = "apps.menus"
    label = "menus"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers."""
        from apps.menus import receivers  # noqa: F401  importing the receivers connects them
