"""What the registry tells parts of its own process that it must not import."""

from django.dispatch import Signal

# Sent after the commit of a change, with `changes: list[dict]` as `documents.change` makes them.
catalogue_changed = Signal()
