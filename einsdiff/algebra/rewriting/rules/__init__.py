"""Rules that make an expression smaller."""
