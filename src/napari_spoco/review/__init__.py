"""Found objects under review: the order in which to look at them, corrections, and their undoing."""
