"""Derivations, line by line, with the rule of each."""
