"""Turns untrusted bytes into an image that Rekognition accepts, or refuses them with a reason.

Start with `prepare`.
"""
