"""The HTTP API's requests and responses: tokens, bodies, queries, idempotency keys.

Start with `request_bodies` (what `POST /images` accepts) and `responses` (what routes return).
"""
