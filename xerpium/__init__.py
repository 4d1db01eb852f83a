"""Wiring only: settings, addresses, and the applications that servers and workers load."""

import gc

# What the hub imports stays. Looked through after each 700 objects, as is Python's default, it starts a fifth slower.
gc.set_threshold(10_000)
