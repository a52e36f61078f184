"""What is known of every image: items in DynamoDB, content in S3.

Begin with `images` (one image), `pages` (many) and `keys` (how the table is laid out).
"""
