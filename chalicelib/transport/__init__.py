"""Outgoing HTTP with `requests`, behind an address policy and within a deadline.

Begin with `guarded_http`.
"""
