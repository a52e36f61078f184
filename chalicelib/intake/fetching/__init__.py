"""Fetches an untrusted URL without giving its sender access to our network (SSRF).

Start with `fetch`.
"""
