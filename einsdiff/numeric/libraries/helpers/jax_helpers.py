"""What code for JAX imports and defines itself, where it is not as `numpy_helpers` says.

>>> float(erf(jnp.asarray(0.0)))
0.0
"""

import math

import jax
import jax.numpy as jnp
from jax.scipy.linalg import expm
from jax.scipy.special import erf, erfc, logsumexp, xlogy

# What other code is written with.
__all__ = ["erf", "erfc", "expm", "jax", "jnp", "logsumexp", "math", "xlogy"]
