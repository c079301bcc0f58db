"""What expressions mean: nodes, canonical forms, differentiation."""
