"""Makes calls of a boto3 client fail with AWS's documented errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

CONFLICT = "TransactionConflict"
THROTTLED = "ThrottlingError"


def client_error(operation: str, code: str, status_code: int = 400) -> ClientError:
    """An error as botocore raises it."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": f"{code} of user arn:aws:sts::123456789012:role/x"},
            "ResponseMetadata": {"HTTPStatusCode": status_code},
        },
        operation,
    )


def transaction_cancelled(*reasons: str) -> ClientError:
    """The error of a cancelled transaction, with a reason per action; `None` is no reason."""
    error = client_error("TransactWriteItems", "TransactionCanceledException")
    error.response["CancellationReasons"] = [{"Code": each} for each in reasons]
    return error


def lost_response() -> ReadTimeoutError:
    """The error of a call whose response does not arrive."""
    return ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")


@contextmanager
def failing(
    client: Any,
    operation: str,
    *errors: Exception,
    after_success: bool = False,
    sort_key: str | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Let the first calls of an operation, such as `PutItem`, raise these errors, one each.

    With `after_success`, a call has its effect before it raises. With `sort_key`, only calls that
    put an item with that sort key count. Yields the parameters of every call, also of those that
    succeed.
    """
    waiting = list(errors)
    calls: list[dict[str, Any]] = []
    service = client.meta.service_model.service_id.hyphenize()
    names = {
        "record": f"provide-client-params.{service}.{operation}",
        "fail": f"{'after' if after_success else 'before'}-call.{service}.{operation}",
    }

    def record(params: dict[str, Any], **_: Any) -> None:
        calls.append(params)

    def fail(**_: Any) -> None:
        is_meant = sort_key is None or calls[-1]["Item"]["sk"]["S"] == sort_key
        if waiting and is_meant:
            error = waiting.pop(0)
            if isinstance(error, ClientError) and "CancellationReasons" in error.response:
                raise client.exceptions.TransactionCanceledException(error.response, operation)
            raise error

    handlers = {"record": record, "fail": fail}
    for kind, name in names.items():
        client.meta.events.register_last(name, handlers[kind])
    try:
        yield calls
    finally:
        for kind, name in names.items():
            client.meta.events.unregister(name, handlers[kind])
    assert not waiting, f"{len(waiting)} errors were never raised"
