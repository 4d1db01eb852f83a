"""What menus tell apps that they must not import."""

from django.dispatch import Signal

# Sent within the transaction that changed what a service declares one by one (not through a manifest), with
# `service: str`, `company_id: int | None` (the scope of who declared it) and `actor: str`.
items_declared = Signal()

# Sent in the process that changed menus when its transaction has committed, with `companies: tuple[int | None, ...]`
# and `revision: int`. Other processes see it by `MenuRevision`.
trees_changed = Signal()
