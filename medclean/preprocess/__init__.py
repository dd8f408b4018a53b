"""What is done to an image before a network sees it, and undone afterwards."""
