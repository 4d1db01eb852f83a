"""What only the thread side has to get right: a program that does not leave in order ends all the same."""

import subprocess
import sys

from tests.sdk.hub import Hub

SCRIPT = """
import sys
from xerpium_sdk.registry import Catalog, Member, Registration

hub = sys.argv[1]
catalog = Catalog(hub).__enter__()
member = Member(hub, Registration(name="product-service", version="1.4.2", host="127.0.0.1", port=8101), wait=True)
member.__enter__()
print(catalog.ready, member.joined)
"""


def test_a_program_that_forgets_to_leave_ends(hub: Hub) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, hub.url], capture_output=True, text=True, check=True, timeout=30
    )
    assert (result.stdout, result.stderr) == ("True True\n", "")
