#!/usr/bin/env python
"""Django's command line for the hub; ``manage.py runhub`` starts everything."""

import os
import sys


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerpium.settings")
    if sys.argv[1:2] == ["runhub"]:
        # The laptop's profile: it opens what production keeps closed, unless the environment says otherwise.
        os.environ.setdefault("DEBUG", "1")
        if os.environ["DEBUG"] not in {"0", "false", "no", "off"}:
            os.environ.setdefault("HUB_OPEN", "1")
    if sys.argv[1:] == ["runhub"]:
        # Without setting Django up: what only starts and watches other processes needs a quarter of the memory.
        from apps.core.supervisor.main import main as run_hub

        sys.exit(run_hub())
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
