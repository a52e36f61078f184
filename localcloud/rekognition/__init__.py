"""A local server that speaks Amazon Rekognition's protocol and answers from small, real models."""
