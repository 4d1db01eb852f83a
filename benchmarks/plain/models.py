"""Two tables, as most teams would begin."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class PlainService(models.Model):
    """A service, with the fields that it registers."""

    name = models.CharField(max_length=100, unique=True)
    version = models.CharField(max_length=100)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    health_check_url = models.URLField(max_length=2048)
    api_base_url = models.URLField(max_length=2048)
    tags = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    capabilities = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    dependencies = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    status = models.CharField(max_length=20, default="starting")
    last_seen = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "plain"

    def __str__(self) -> str:
        return self.name


class PlainMenuItem(models.Model):
    """A menu item below another one."""

    name = models.CharField(max_length=80)
    path = models.CharField(max_length=200)
    icon = models.CharField(max_length=60, blank=True)
    service_name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="children")
    order_number = models.IntegerField(default=100)
    required_permissions = ArrayField(models.CharField(max_length=100), default=list)
    is_active = models.BooleanField(default=True)

    class Meta:
        app_label = "plain"

    def __str__(self) -> str:
        return self.name
