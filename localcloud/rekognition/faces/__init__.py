"""Faces: detection and mesh (finder), landmarks, pose, descriptor, age, gender and emotions."""
