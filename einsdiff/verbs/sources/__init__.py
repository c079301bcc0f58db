"""How an expression arrives: text, arrays, functions."""
