"""How the learning rate moves over a run: one schedule a file."""
