from django.apps import AppConfig


class ServiceAuthConfig(AppConfig):
    name = "apps.serviceauth"
    label = "serviceauth"
    default_auto_field = "django.db.models.BigAutoField"
