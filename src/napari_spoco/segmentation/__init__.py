"""From a model and an image to embeddings, and from embeddings to instances."""
