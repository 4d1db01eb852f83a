"""Addresses of pages that nothing can be found by."""

import pytest

from tests.support import operators

pytestmark = pytest.mark.usefixtures("db")


@pytest.mark.parametrize(
    "address",
    [
        "/admin/events/journalentry/?service_name=%00",
        "/admin/events/deadletter/?group=a%00b",
        "/admin/events/types/%00/",
        "/admin/registry/service/?status=%00",
    ],
)
def test_what_no_name_can_hold_is_refused(address: str) -> None:
    assert operators.superuser().get(address).status_code == 400


def test_the_api_says_itself_what_is_wrong() -> None:
    answer = operators.superuser().get("/api/v1/events/?event_type=%00")
    assert answer.status_code == 422
