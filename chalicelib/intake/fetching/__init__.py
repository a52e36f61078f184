"""A stranger's URL becomes bytes, without becoming the stranger's hand inside our network.

Begin with `fetch`.
"""
