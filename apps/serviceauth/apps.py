from django.apps import AppConfig


class ServiceAuthConfig(AppConfig):
    name = "apps.serviceauth"
    label = "serviceauth"
    verbose_name = "Access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the apps below the names of companies, and which of them operators belong to."""
        from apps.core import companies
        from apps.core.tenancy import operators
        from apps.serviceauth import selectors

        companies.provide(selectors.company_names, selectors.every_company_name)
        operators.tell(selectors.operator_companies)
