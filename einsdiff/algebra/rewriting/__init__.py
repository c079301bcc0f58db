"""Other ways to write an expression, of the same value."""
