"""The AWS resources that outlive a deploy, and the script that deploys everything."""
