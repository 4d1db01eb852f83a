"""Breaks the event bus on purpose, hundreds of times under load, and proves that nothing was lost.

`python -m tests.chaos_events` (`make chaos-events`) starts PostgreSQL and Redis of its own, puts a proxy before Redis,
and lets programs publish and consume while they, the engines and their connections are killed, frozen and cut. Each
program writes down what it does in files of its own that a `kill -9` cannot spoil. Read `plan` first (what is done, as
a seed decides), then `cast` (who takes part), `ledger` (what is written down), `judge` (what must hold) and `storm`.
"""
