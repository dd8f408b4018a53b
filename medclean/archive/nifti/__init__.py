"""NIfTI in, NIfTI out."""
