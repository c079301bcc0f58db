"""Random expressions against oracles that share no code with the library: `python -m tests.fuzz`."""
