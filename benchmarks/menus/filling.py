"""Stores the measured menu and prints tokens for it: ``python -m benchmarks.menus.filling``."""

import json
import sys

import django


def main() -> int:
    """Store and print."""
    django.setup()
    from benchmarks.menus.rows import TYPICAL, fill, token

    fill()
    sys.stdout.write(json.dumps({"everything": token(("*",)), "typical": token(TYPICAL)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
