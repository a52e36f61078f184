"""Access to AWS: clients, a DynamoDB table, an SQS queue, logs and metrics.

Apart from the image id in log lines, nothing here depends on images. Begin with `clients`.
"""
