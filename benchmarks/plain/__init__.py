"""The registry as most teams would write it first: a DRF ModelViewSet on the same database. A peer, not a part."""
