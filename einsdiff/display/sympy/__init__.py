"""Expressions written for SymPy."""
