"""The tab Segment: from embeddings to objects, live and as a whole, and how good they are."""
