"""What NumPy's functions do to expressions."""
