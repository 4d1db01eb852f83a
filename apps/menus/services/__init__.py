"""Every write of menus that others may ask for."""

from apps.menus.services.claiming import (
    Claim,
    Judged,
    PathTaken,
    Place,
    Wanted,
    at_places,
    claiming,
    claims_judge,
    claims_remember,
    conflicts_settle,
    handovers_at,
)
from apps.menus.services.reconciling import Declared, Outcome, menus_reconcile
from apps.menus.services.revisions import lock, revision_of, touch

__all__ = [
    "Claim",
    "Declared",
    "Judged",
    "Outcome",
    "PathTaken",
    "Place",
    "Wanted",
    "at_places",
    "claiming",
    "claims_judge",
    "claims_remember",
    "conflicts_settle",
    "handovers_at",
    "lock",
    "menus_reconcile",
    "revision_of",
    "touch",
]
