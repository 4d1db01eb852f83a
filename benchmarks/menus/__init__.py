"""Measures menu trees: what is kept, what is finished, what has to be made, beside what most teams would write."""
