"""Code of the document in which the first services are described, taken out of it when a test runs."""

import re
from pathlib import Path

__all__ = ["code_of"]


def code_of(document: Path, title: str) -> str:
    """Return the first block of code below ``**title**``."""
    found = re.search(rf"\*\*{re.escape(title)}\*\*\n```python\n(.*?)\n```", document.read_text(), re.DOTALL)
    assert found is not None, f"{title} is not in the document any more"
    return found[1]
