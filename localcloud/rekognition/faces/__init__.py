"""Faces in a picture: found (detector), measured (mesh), described (describer, emotions)."""
