"""Measurements of the hub beside its peers, in one run, as ratios. `make bench`, or `python -m benchmarks --help`."""
