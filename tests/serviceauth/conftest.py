"""Service authentication on real engines; what commits is deleted afterwards."""

from tests.support.database import transactional_db

__all__ = ["transactional_db"]
