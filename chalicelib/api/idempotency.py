"""A request that is sent again with the same Idempotency-Key gets the answer of the first.

Powertools' idempotency keeps the answers in a table of their own for a day. A request that failed
is not kept: sent again, it is tried again.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.model.errors import IdempotencyKeyInUse, IdempotencyKeyReused, InvalidRequest

KEPT_SECONDS = 24 * 60 * 60
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class RouteResponse:
    """What is answered: kept as it is, so it holds JSON values only."""

    status_code: int
    body: dict[str, Any]
    location: str | None = None


class IdempotentRequests:
    """Answers of one stage, by caller and key."""

    def __init__(self, client: Any, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def once(
        self, key: str, caller: str, request: str, context: Any, answer: Callable[[], RouteResponse]
    ) -> RouteResponse:
        """The answer of the first request of this caller with this key.

        `request` is what the caller asks, as text; the same key with another request is refused.
        `context` is Lambda's, which says when a request that was cut off may be tried again.
        Raises IdempotencyKeyInUse, IdempotencyKeyReused and InvalidRequest.
        """
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise InvalidRequest(
                f"The Idempotency-Key has {len(key)} characters, but must have 1 to "
                f"{MAX_KEY_LENGTH}. A random UUID does."
            )
        # Few requests have a key, and the others should not pay for the import.
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
            expires_after_seconds=KEPT_SECONDS,
            hash_function="sha256",
            lambda_context=context,
        )
        layer = DynamoDBPersistenceLayer(self._table_name, boto3_client=self._client)

        def answered(asked: dict[str, str]) -> dict[str, Any]:
            return asdict(answer())

        once = idempotent_function(
            answered,
            data_keyword_argument="asked",
            persistence_store=layer,
            config=config,
            key_prefix="request",
        )
        try:
            return RouteResponse(**once(asked={"caller": caller, "key": key, "request": request}))
        except IdempotencyAlreadyInProgressError as error:
            raise IdempotencyKeyInUse(
                f"A request with the Idempotency-Key {key!r} is being answered just now. "
                "Send it again in some seconds."
            ) from error
        except IdempotencyValidationError as error:
            raise IdempotencyKeyReused(
                f"The Idempotency-Key {key!r} was sent with another request in the last "
                f"{KEPT_SECONDS // 3600} hours. Use a new key for a new request."
            ) from error
