"""A URL, the body of a request, a batch or an upload becomes a stored image, to be recognized.

Begin with `accept`: every way in goes through it.
"""
