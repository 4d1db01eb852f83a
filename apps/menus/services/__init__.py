"""Every write of menus that others may ask for."""

from apps.menus.services.reconciling import Declared, Outcome
from apps.menus.services.revisions import lock, touch

__all__ = ["Declared", "Outcome", "lock", "touch"]
