"""Images, annotations, samples and files; imports no torch and no Qt."""
