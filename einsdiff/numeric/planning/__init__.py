"""From expressions to the steps that compute them."""
