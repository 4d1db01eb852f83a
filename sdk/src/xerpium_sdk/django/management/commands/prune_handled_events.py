"""``manage.py prune_handled_events``: forgets old rows of `HandledEvent`; for cron."""

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from xerpium_sdk.django.retention import handled_prune


class Command(BaseCommand):
    """Deletes in batches; may run at any time, and twice."""

    help = "Forget which events were handled long ago. An event that came again after that would be handled again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--days", type=float, default=30.0, help="how long they are remembered (30)")
        parser.add_argument("--database", help="alias of the database (default: as routers say)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and say how many."""
        before = timezone.now() - dt.timedelta(days=options["days"])
        count = handled_prune(handled_before=before, using=options["database"])
        self.stdout.write(f"{count} handled events forgotten.")
