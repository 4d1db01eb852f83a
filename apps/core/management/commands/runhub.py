"""`manage.py runhub`: the whole hub on this machine."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.supervisor.main import main


class Command(BaseCommand):
    """Runs until Ctrl-C; `manage.py` comes here without setting Django up, which keeps the supervisor small."""

    help = "Start PostgreSQL, Redis, the web server and everything behind it, and keep them running until Ctrl-C."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the hub and end with its exit code."""
        sys.exit(main())
