"""What can be asked: one frozen dataclass a command; all else reads its fields and defaults."""
