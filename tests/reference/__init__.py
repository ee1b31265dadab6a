"""Slow NumPy versions of the formulas, written with loops from the papers."""
