"""Outgoing HTTP with `requests`, restricted by an address policy and bounded by a deadline.

Start with `guarded_http`.
"""
