"""The words that all parts share: values and pure functions over them; no AWS.

Begin with `image` and `changes`.
"""
