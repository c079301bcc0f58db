"""How expressions are read: index notation."""
