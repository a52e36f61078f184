"""Turns a URL, a request body, a batch entry or an upload into a stored image to recognize.

Start with `accept`: every image passes through it.
"""
