"""The project: everything is saved as it happens, and comes back."""
