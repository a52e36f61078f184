"""intake/images."""
