"""Bytes that claim to be an image become what Rekognition takes, or a refusal that says why.

Begin with `prepare`.
"""
