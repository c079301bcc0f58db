"""Matrix notation: found along the paths of the labels, and written."""
