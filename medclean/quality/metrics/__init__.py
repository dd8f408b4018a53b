"""What images are measured by, one a file; slices in real-world units."""
