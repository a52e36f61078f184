"""intake/fetching."""
