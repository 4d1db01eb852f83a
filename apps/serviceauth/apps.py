from django.apps import AppConfig


class ServiceAuthConfig(AppConfig):
    name = "apps.serviceauth"
    label = "serviceauth"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the names of companies to the apps below."""
        from apps.core import companies
        from apps.serviceauth import selectors

        companies.provide(selectors.company_names, selectors.every_company_name)
