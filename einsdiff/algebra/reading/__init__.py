"""From the tree of a text to the node that it means."""
