"""What a slice says about itself: its noise, its body, its frequencies."""
