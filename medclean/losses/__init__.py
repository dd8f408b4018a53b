"""What can be minimised: pure functions of tensors."""
