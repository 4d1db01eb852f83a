"""Code of the document in which the first services are described, taken out of it when a test runs."""

import os
import re
from pathlib import Path

__all__ = ["DOCUMENT", "code_of"]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = Path(os.environ.get("SEED_DOCUMENT") or ROOT.parent / "shared/seed/integration-patterns.md")
"""It lies beside this checkout, or where SEED_DOCUMENT says."""


def code_of(document: Path, title: str) -> str:
    """Return the first block of code below ``**title**``."""
    found = re.search(rf"\*\*{re.escape(title)}\*\*\n```python\n(.*?)\n```", document.read_text(), re.DOTALL)
    assert found is not None, f"{title} is not in the document any more"
    return found[1]
