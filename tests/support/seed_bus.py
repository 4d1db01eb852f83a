"""The publisher and the consumer that services have today, taken at run time from the document that describes them.

Their only help are the imports that they lack. The document lies beside this checkout, or where SEED_DOCUMENT says.
"""

import datetime as dt
import re
import sys
import time
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.seed_code import DOCUMENT

LACKING = {"datetime": dt.datetime, "time": time, "List": typing.List}  # noqa: UP006 - the name that its code uses
PACKAGE = "seed_messaging"


@contextmanager
def seed_bus(connect: Callable[[], Any]) -> Iterator[SimpleNamespace]:
    """Give the document's modules ``publisher`` and ``consumer``, whose Redis clients ``connect`` makes.

    Skips the test when the document is not there.
    """
    if not DOCUMENT.is_file():
        pytest.skip("the document with the clients of before is not beside this checkout (SEED_DOCUMENT names it)")
    config = ModuleType(f"{PACKAGE}.config")
    config.get_redis_connection = connect  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, PACKAGE, ModuleType(PACKAGE))
        patch.setitem(sys.modules, config.__name__, config)
        yield SimpleNamespace(publisher=_load("publisher", patch), consumer=_load("consumer", patch))


def _load(name: str, patch: pytest.MonkeyPatch) -> ModuleType:
    found = re.search(
        rf"\*\*messaging/{re.escape(name)}\.py\*\*\n```python\n(.*?)\n```", DOCUMENT.read_text(), re.DOTALL
    )
    assert found is not None, f"{name}.py is not in the document any more"
    module = ModuleType(f"{PACKAGE}.{name}")
    module.__package__ = PACKAGE
    patch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    vars(module).update(LACKING)
    exec(compile(found[1], f"{name}.py", "exec"), vars(module))
    return module
