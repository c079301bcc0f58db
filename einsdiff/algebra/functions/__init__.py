"""The table of functions: what is known of each."""
