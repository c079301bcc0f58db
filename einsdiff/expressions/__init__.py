"""What the user holds: a tensor, its formula and its values, and what it is asked for."""
