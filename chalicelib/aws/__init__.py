"""Access to AWS: clients, a DynamoDB table, an SQS queue, logs and metrics.

Knows nothing of images beyond the id that log lines carry. Begin with `clients`.
"""
