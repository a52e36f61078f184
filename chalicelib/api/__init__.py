"""What callers send and get: tokens, bodies, queries, responses, idempotency keys.

Begin with `request_bodies` (what `POST /images` takes) and `responses` (what every route returns).
"""
