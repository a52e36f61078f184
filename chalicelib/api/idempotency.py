"""A request repeated with the same Idempotency-Key has its effect once, and the same response.

Powertools' idempotency utility stores what is needed to respond again in a DynamoDB table of its
own for 24 hours: the status and the path of the resource, which is then read as it is. Findings are
never stored here, so an item stays small, and what somebody deletes is deleted here too. Nothing is
stored for a request that raises an error, so a retry of that request runs again.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from chalice.app import Response

from chalicelib.api.current_request import CurrentRequest
from chalicelib.api.responses import RouteResponse
from chalicelib.model.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidRequest,
)

EXPIRES_AFTER_SECONDS = 24 * 60 * 60
MAX_KEY_LENGTH = 255

Arguments = ParamSpec("Arguments")
Route = Callable[Arguments, RouteResponse]


class IdempotentRequests:
    """The stored responses of one stage, by caller and Idempotency-Key.

    `read_again` returns the body for the path of a resource; it raises what GET of that path would.
    """

    def __init__(
        self, client: Any, table_name: str, read_again: Callable[[str], dict[str, Any]]
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._read_again = read_again

    def once(
        self,
        key: str,
        caller: str,
        request: str,
        context: Any,
        respond: Callable[[], RouteResponse],
    ) -> RouteResponse:
        """The response of `respond()`, which is called only by the first request with `key`.

        Later ones get its status and location, with the resource as it is now. `request` identifies
        the request: its method, path, query and body. `context` is Lambda's context; its remaining
        time limits how long an interrupted request blocks its key.

        Raises IdempotencyKeyInUse while a request with the key is in progress, IdempotencyKeyReused
        if the key belongs to a different `request`, InvalidRequest for a key that does not have
        1 to MAX_KEY_LENGTH characters, and a 404 if the resource is gone.
        """
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise InvalidRequest(
                f"The Idempotency-Key has {len(key)} characters, but must have 1 to "
                f"{MAX_KEY_LENGTH}. Use a random UUID."
            )
        # Few requests carry a key, so the others skip this import.
        from aws_lambda_powertools.utilities.idempotency import (
            DynamoDBPersistenceLayer,
            IdempotencyConfig,
            idempotent_function,
        )
        from aws_lambda_powertools.utilities.idempotency.exceptions import (
            IdempotencyAlreadyInProgressError,
            IdempotencyValidationError,
        )

        config = IdempotencyConfig(
            event_key_jmespath="[caller, key]",
            payload_validation_jmespath="request",
            expires_after_seconds=EXPIRES_AFTER_SECONDS,
            hash_function="sha256",
            lambda_context=context,
        )
        layer = DynamoDBPersistenceLayer(self._table_name, boto3_client=self._client)

        first: list[RouteResponse] = []

        def respond_to(data: dict[str, str]) -> dict[str, Any]:
            first.append(respond())
            return {"status_code": first[0].status_code, "location": first[0].location}

        once = idempotent_function(
            respond_to,
            data_keyword_argument="data",
            persistence_store=layer,
            config=config,
            key_prefix="request",
        )
        try:
            stored = once(data={"caller": caller, "key": key, "request": request})
        except IdempotencyAlreadyInProgressError as error:
            raise IdempotencyKeyInUse(
                f"Another request with the Idempotency-Key {key!r} is still in progress. "
                "Retry in a few seconds."
            ) from error
        except IdempotencyValidationError as error:
            raise IdempotencyKeyReused(
                f"The Idempotency-Key {key!r} belongs to a different request from the last "
                f"{EXPIRES_AFTER_SECONDS // 3600} hours. Use a new key for a new request."
            ) from error
        if first:
            return first[0]
        location = stored["location"]
        return RouteResponse(int(stored["status_code"]), self._read_again(location), location)


def idempotent(
    request: CurrentRequest, requests: Callable[[], IdempotentRequests]
) -> Callable[[Route[Arguments]], Callable[Arguments, Response]]:
    """A decorator for POST routes that implements the Idempotency-Key header.

    A request without the header runs every time. `requests` is called only for a request with the
    header, so other requests create no DynamoDB client.
    """

    def decorate(route: Route[Arguments]) -> Callable[Arguments, Response]:
        @wraps(route)
        def respond(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
            key = request.headers.get("idempotency-key")
            if key is None:
                return route(*args, **kwargs).rendered(request.stage_prefix)
            response = requests().once(
                key,
                caller=request.caller,
                request=request.fingerprint,
                context=request.lambda_context,
                respond=lambda: route(*args, **kwargs),
            )
            return response.rendered(request.stage_prefix)

        return respond

    return decorate
