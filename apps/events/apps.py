from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class EventsConfig(AppConfig):
    name = "apps.events"
    label = "events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.events import observation

        observation.install()
        post_migrate.connect(prepare_journal, sender=self)


def prepare_journal(**kwargs: Any) -> None:
    """Make the journal's partitions of the days to come, whenever the database was brought up to date."""
    from django.db import connection
    from django.utils import timezone

    from apps.events.models import JournalEntry
    from apps.events.services import retention

    # Migrating backward ends here as well.
    if JournalEntry._meta.db_table in connection.introspection.table_names():
        retention.journal_prepare(now=timezone.now())
