"""Arrays of complex numbers in `.npy` files: what receive coils measured, or images of them."""
