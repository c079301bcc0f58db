"""Tensor networks as pictures."""
