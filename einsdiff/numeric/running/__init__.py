"""Steps run, by NumPy and by other libraries."""
