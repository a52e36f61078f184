"""The error of the deployment scripts; its message is shown to the deployer as it is."""


class DeployError(Exception):
    """A stage could not be deployed or destroyed; the message says why and what to do."""
