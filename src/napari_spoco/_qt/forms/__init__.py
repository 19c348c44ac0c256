"""Fields, and the forms that are made of them from parameter models."""
