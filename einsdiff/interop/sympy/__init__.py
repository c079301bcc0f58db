"""SymPy's expressions, read."""
