"""Many images, one model, one setting."""
