"""The six nodes that expressions are made of, in canonical form; walks over them; as data."""
