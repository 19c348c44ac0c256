"""The tab Review: one object after the other, with corrections."""
