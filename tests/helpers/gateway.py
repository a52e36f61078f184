"""Requests in the form in which API Gateway passes them to the app, behind a stage's prefix."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class GatewayResponse:
    """What the app returns to API Gateway."""

    status_code: int
    body: Any
    headers: Mapping[str, Any]


@dataclass(frozen=True)
class Gateway:
    """API Gateway in front of `app`; every request is one of `caller` and follows `prefix`."""

    app: Any
    prefix: str = "/api"
    caller: str = "tester"
    context: Any = field(
        default_factory=lambda: SimpleNamespace(
            get_remaining_time_in_millis=lambda: 29_000, aws_request_id="request"
        )
    )

    def request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        query: Mapping[str, Sequence[str]] | None = None,
        body: str | bytes | None = None,
        **headers: str,
    ) -> GatewayResponse:
        """Send a request; `path` is a route of app.py, whose {names} `parameters` fill in.

        A body in bytes needs a content_type that API Gateway passes on as binary data.
        """
        parameters = parameters or {}
        real_path = re.sub(r"\{(\w+)\}", lambda found: parameters[found[1]], path)
        response = self.app(
            {
                "requestContext": {
                    "httpMethod": method,
                    "resourcePath": path,
                    "path": self.prefix + quote(real_path, errors="replace"),
                    "authorizer": {"principalId": self.caller},
                },
                "headers": {"content-type": "application/json"}
                | {name.replace("_", "-"): value for name, value in headers.items()},
                "multiValueQueryStringParameters": dict(query) if query else None,
                "pathParameters": dict(parameters) or None,
                "stageVariables": None,
                "body": b64encode(body).decode() if isinstance(body, bytes) else body,
                "isBase64Encoded": isinstance(body, bytes),
            },
            self.context,
        )
        text, kind = response["body"], response["headers"].get("Content-Type", "application/json")
        return GatewayResponse(
            response["statusCode"],
            json.loads(text) if text and kind == "application/json" else text,
            response["headers"],
        )
