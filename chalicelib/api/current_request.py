"""The HTTP request that a route handles, as API Gateway passes it on."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Chalice, Request


class CurrentRequest:
    """Reads Chalice's current request; every property raises RuntimeError outside a route."""

    def __init__(self, app: Chalice) -> None:
        self._app = app

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are case-insensitive."""
        return self._request.headers

    @property
    def body(self) -> bytes:
        """The body in bytes; API Gateway passes a body that is not of a binary type on as text."""
        body = self._request.raw_body
        return body.encode() if isinstance(body, str) else body

    @property
    def query(self) -> dict[str, list[str]]:
        """The query parameters; each name maps to all of its values."""
        parameters = self._request.query_params
        return {name: parameters.getlist(name) for name in parameters} if parameters else {}

    @property
    def method_and_path(self) -> str:
        """For example `POST /images`."""
        return f"{self._request.method} {self._request.path}"

    @property
    def caller(self) -> str:
        """The name of the caller's token, or "" on a route without an authorizer."""
        return str(self._request.context.get("authorizer", {}).get("principalId", ""))

    @property
    def stage_prefix(self) -> str:
        """What precedes a route's path in the URL: `/api` on AWS, "" in Chalice's local mode."""
        full_path: str = self._request.context.get("path", "")
        return full_path.removesuffix(self._request.path)

    @property
    def lambda_context(self) -> Any:
        """Lambda's context object for this invocation."""
        return self._app.lambda_context

    @property
    def _request(self) -> Request:
        if self._app.current_request is None:
            raise RuntimeError("There is no request outside a route.")
        return self._app.current_request
