"""How good a result is, and what it may have cost."""
