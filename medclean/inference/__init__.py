"""Volumes through a model: batches, tiles, precision, memory."""
