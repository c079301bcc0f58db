"""Random expressions against oracles that share no code with einsdiff: `python -m tests.fuzz`."""
