"""What `manage.py runhub` is made of: it starts every part of the hub on one machine and keeps it running.

Read `parts` first (the table of what runs), then `hub` (the order of starting and stopping), then `child` (how one
process is watched). `backoff`, `lines`, `parts` and `report` decide without touching a process, and are tested so.

Nothing here sets Django up: the supervisor does no work of the hub's and should stay small beside it.
"""
