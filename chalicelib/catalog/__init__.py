"""The catalog: images and their findings as items in DynamoDB, their content in S3.

Begin with `images` (one image), `pages` (lists) and `keys` (the layout of the table).
"""
