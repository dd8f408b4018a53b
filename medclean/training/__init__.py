"""Learning from a folder of images: slices, samples, the loop, its state and its curves."""
