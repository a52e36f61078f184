"""How much of the account's concurrency the authorizer gets: what it needs, and no more.

Anybody can call the authorizer, as often as API Gateway lets them. Without a limit of its own, a
flood of tokens that nobody has would use up the account's concurrent executions, which the
functions on the queues need. Only an account that has enough of them can reserve any.
"""

from typing import Any

from botocore.exceptions import ClientError

FUNCTION = "authorize"

# At 10 ms each, these answer the 10,000 requests per second that API Gateway lets through.
EXECUTIONS = 100

# Lambda refuses a reservation that leaves less than this to all other functions.
_LEFT_TO_OTHERS = 100


def authorizations_at_once(client: Any, stage: str) -> int | None:
    """The concurrent executions to reserve for a stage's authorizer; None if there are too few.

    `client` is a boto3 client of Lambda.
    """
    free: int = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    free += _reserved(client, f"image-recognition-{stage}-{FUNCTION}")
    return EXECUTIONS if free - EXECUTIONS >= _LEFT_TO_OTHERS else None


def _reserved(client: Any, function_name: str) -> int:
    """What an earlier deploy reserved."""
    try:
        response = client.get_function_concurrency(FunctionName=function_name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return 0
        raise
    return int(response.get("ReservedConcurrentExecutions", 0))
