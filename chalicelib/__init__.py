"""What the Lambda functions of the image recognition app share."""
