"""Invertible intensity maps, one a file."""
