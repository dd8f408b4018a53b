"""Files of complex numbers: what receive coils measured, or images of them."""
