"""What code for JAX imports and defines itself, where it is not as `numpy_helpers` says.

>>> float(erf(jnp.asarray(0.0)))
0.0
"""


# What other code is written with.
