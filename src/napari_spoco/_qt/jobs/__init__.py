"""What runs behind the window, and what is shown of it."""
