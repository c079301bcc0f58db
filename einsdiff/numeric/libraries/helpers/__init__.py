"""What code defines itself, by library: modules that are written out, and not run here."""
