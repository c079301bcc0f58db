"""Which arrays there are, and what each library can do."""
