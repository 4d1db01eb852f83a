"""The event bus beside raw redis-py, the pattern it replaces, FastStream and Celery: `python -m benchmarks.events`."""
