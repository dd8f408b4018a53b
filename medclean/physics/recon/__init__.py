"""From measured data back to images."""
