"""Breaks a whole hub on purpose, again and again, and counts what its callers notice.

`python -m tests.chaos` (`make chaos`) starts a hub of its own, lets a fleet of services live on it, and does one
fault after the other. Read `faults` first (what is done), then `fleet` and `witnesses` (who notices), then `trial`
(one fault, from calm to calm). The fleet speaks plain HTTP: a client that mends things by itself would hide what the
hub does.
"""
