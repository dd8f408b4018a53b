"""One training step, for any model."""
