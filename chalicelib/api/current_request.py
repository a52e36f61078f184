"""The HTTP request that a route is answering, as API Gateway passed it on."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Chalice, Request


class CurrentRequest:
    """Reads the app's current request; every property raises RuntimeError outside a route."""

    def __init__(self, app: Chalice) -> None:
        self._app = app

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by name in any case."""
        return self._request.headers

    @property
    def body(self) -> bytes:
        """The body; API Gateway passes on as text what it does not treat as binary."""
        body = self._request.raw_body
        return body.encode() if isinstance(body, str) else body

    @property
    def query(self) -> dict[str, list[str]]:
        """The query parameters, each with all of its values."""
        parameters = self._request.query_params
        return {name: parameters.getlist(name) for name in parameters} if parameters else {}

    @property
    def method_and_path(self) -> str:
        """For example `POST /images`."""
        return f"{self._request.method} {self._request.path}"

    @property
    def caller(self) -> str:
        """The name of the caller's token; empty on a route without an authorizer."""
        return str(self._request.context.get("authorizer", {}).get("principalId", ""))

    @property
    def stage_prefix(self) -> str:
        """What API Gateway puts before a route's path: `/api` on AWS, nothing in local mode."""
        full_path: str = self._request.context.get("path", "")
        return full_path.removesuffix(self._request.path)

    @property
    def lambda_context(self) -> Any:
        """Lambda's context object of this invocation."""
        return self._app.lambda_context

    @property
    def _request(self) -> Request:
        if self._app.current_request is None:
            raise RuntimeError("There is no request outside a route.")
        return self._app.current_request
