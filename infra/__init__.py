"""CloudFormation templates for the resources that outlive a deploy, and the deployment scripts."""
