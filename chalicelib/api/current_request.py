"""The HTTP request that a route handles, as API Gateway passes it on."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from chalice.app import Chalice, Request

from chalicelib.model.errors import InvalidRequest

_PARAMETER = re.compile(r"\{(?P<name>\w+)\}")


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
        """The body in bytes; API Gateway passes a body that is not of a binary type on as text.

        Raises InvalidRequest for a text that is not Unicode.
        """
        try:
            body = self._request.raw_body
            return body.encode() if isinstance(body, str) else body
        except UnicodeEncodeError as error:
            raise InvalidRequest(f"The body is not UTF-8 at character {error.start}.") from error

    @property
    def query(self) -> dict[str, list[str]]:
        """The query parameters; each name maps to all of its values."""
        parameters = self._request.query_params
        return {name: parameters.getlist(name) for name in parameters} if parameters else {}

    @property
    def method_and_path(self) -> str:
        """For example `DELETE /images/0123456789abcdef0123456789abcdef`."""
        return f"{self._request.method} {self._path}"

    @property
    def fingerprint(self) -> str:
        """A text that is the same for the same method, path, query and body, and for no other."""
        query = json.dumps(sorted(self.query.items()))
        return f"{self.method_and_path}?{query} {hashlib.sha256(self.body).hexdigest()}"

    @property
    def caller(self) -> str:
        """The name of the caller's token, or "" on a route without an authorizer."""
        return str(self._request.context.get("authorizer", {}).get("principalId", ""))

    @property
    def stage_prefix(self) -> str:
        """What precedes a route's path in the URL.

        `/api` on AWS, "" under a custom domain and in Chalice's local mode.
        """
        # The parameters may be encoded in one of the paths only, so the segments are counted.
        own_segments = self._request.path.strip("/").count("/") + 1
        segments = str(self._request.context.get("path", "")).rstrip("/").split("/")
        return "/".join(segments[:-own_segments])

    @property
    def lambda_context(self) -> Any:
        """Lambda's context object for this invocation."""
        return self._app.lambda_context

    @property
    def _path(self) -> str:
        """The path without the stage's prefix; Chalice's `path` is the route's template."""
        parameters = self._request.uri_params or {}
        return _PARAMETER.sub(
            lambda found: parameters.get(found["name"], found[0]), self._request.path
        )

    @property
    def _request(self) -> Request:
        if self._app.current_request is None:
            raise RuntimeError("There is no request outside a route.")
        return self._app.current_request
