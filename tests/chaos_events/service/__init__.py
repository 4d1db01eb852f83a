"""A service of the kind that many are: Django, a database of its own, the SDK's outbox and store of handled events."""
