"""Index notation and LaTeX, printed."""
