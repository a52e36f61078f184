"""Text in a picture: where it stands (detector), what it says (reader), both (recognizer)."""
