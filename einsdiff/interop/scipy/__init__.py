"""Expressions as problems that SciPy's optimisers take."""
