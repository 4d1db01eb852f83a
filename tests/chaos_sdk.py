"""What must hold of the SDK, with a Redis that is away for a minute: `python -m tests.chaos_sdk [SECONDS]`."""

import os
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parent / "sdk/test_faults.py"


def main(arguments: list[str]) -> int:
    """Run the faults with the time that Redis is away; return the exit status."""
    seconds = float(arguments[0]) if arguments else 60.0
    os.environ["CHAOS_SECONDS"] = str(seconds)
    return int(pytest.main([str(FAULTS), "-v", "--durations=0", f"--timeout={seconds + 60:.0f}"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
