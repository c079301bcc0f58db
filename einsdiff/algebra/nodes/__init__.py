"""The six nodes that expressions are made of, in canonical form; walks over them; as data."""

from einsdiff.algebra.nodes import records  # which says how nodes are pickled

__all__ = ["records"]
