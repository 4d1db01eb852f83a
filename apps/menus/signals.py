"""What menus tell apps that they must not import."""

from django.dispatch import Signal

# Sent within the transaction that changed what a service declares one by one (not through a manifest), with
# `service: str`, `company_id: int | None` (the scope of who declared it) and `actor: str`.
items_declared = Signal()

# Sent in the process that changed menus when its transaction has committed, with `companies: tuple[int | None, ...]`
# and `revision: int`. Other processes see it by `MenuRevision`.
trees_changed = Signal()

# Sent within the transaction in which an operator gave a path to a service, or took that back (`service` is None: the
# first who declared it has it), with `kind: str` (``menu`` or ``component``), `route_key: str`,
# `company_id: int | None`, `service: str | None` and `actor: str`. Whoever keeps components shows and hides its own.
path_handed = Signal()
