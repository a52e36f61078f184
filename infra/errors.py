"""What can go wrong with a deploy, said so that a person knows what to do."""


class DeployError(Exception):
    """The stage could not be deployed or destroyed; the message says why and what to do."""
