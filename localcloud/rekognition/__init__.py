"""A local server with Amazon Rekognition's protocol and real, if smaller, models behind it."""
