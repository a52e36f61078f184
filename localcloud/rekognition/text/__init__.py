"""Text recognition: where text is (detector), what it says (reader), both (recognizer)."""
