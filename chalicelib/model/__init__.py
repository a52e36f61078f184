"""The types that all parts share, and pure functions over them; no AWS.

Begin with `image` and `changes`.
"""
