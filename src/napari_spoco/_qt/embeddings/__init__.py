"""The tab Embeddings: what the network makes of the image, and picking objects by it."""
