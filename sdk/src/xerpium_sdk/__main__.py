"""``python -m xerpium_sdk`` is the command ``xerpium``."""

import sys

from xerpium_sdk.cli import main

if __name__ == "__main__":
    sys.exit(main())
