"""How expressions are written: einsum strings, index notation, and the letters of both."""
