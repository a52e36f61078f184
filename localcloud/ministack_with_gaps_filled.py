"""Starts ministack 1.5.33 with patches for the AWS behavior that it lacks and the app needs.

Runs in the emulator's own virtual environment. The patches replace ministack internals, so the
version is pinned; tests/localcloud/test_emulator_gaps.py fails when upstream no longer needs one.

- ImportRestApi (`POST /restapis?mode=import`), which `chalice deploy` uses, is handled as
  CreateRestApi, so only `/` would exist.
- PutRestApi (`PUT /restapis/{id}`) is missing, so a second deploy would fail.
- The patch of `minimumCompressionSize` to an empty value, which Chalice always sends, breaks the
  API.
- Policies that require TLS would deny every request, because the emulator serves plain HTTP. On
  loopback nobody can eavesdrop, so every request counts as secure.
- One thread polls queues and streams, and waits for the function of a stream, so that nothing is
  received from any queue meanwhile. Streams get a thread of their own, which polls four times a
  second, as Lambda does.
- IAM checks GetParametersByPath against the resource `*` instead of the path, and SQS batch
  requests against actions that AWS does not have (on AWS, DeleteMessage permits
  DeleteMessageBatch).
"""

import json
import logging
import re
import threading
import time
from contextvars import ContextVar
from functools import cache
from typing import Any

from ministack import app as emulator
from ministack.core import iam_actions, iam_evaluator
from ministack.services import apigateway_v1 as api_gateway
from ministack.services import lambda_svc

Document = dict[str, Any]
_REST_API_PATH = re.compile(r"/restapis(?:/(?P<id>[^/]+))?/?")

_handle_request_upstream = api_gateway.handle_request
_action_upstream = iam_actions.extract_iam_action
_resource_arn_upstream = iam_actions.extract_resource_arn
_poll_streams_upstream = lambda_svc._poll_dynamodb_streams

STREAM_POLL_SECONDS = 0.25

logger = logging.getLogger(__name__)


async def handle_request(
    method: str, path: str, headers: Any, body: bytes, query_params: Document
) -> Any:
    """Handle the API Gateway requests that ministack lacks or gets wrong; pass on the others."""
    match = _REST_API_PATH.fullmatch(path)
    api_id = match["id"] if match else None
    if match and not api_id and method == "POST" and _mode(query_params) == "import":
        return _import_rest_api(json.loads(body))
    if api_id in api_gateway._rest_apis and method == "PUT":
        return _put_rest_api(api_id, json.loads(body))
    if api_id and method == "PATCH":
        body = _without_empty_compression_size(body)
    return await _handle_request_upstream(method, path, headers, body, query_params)


def _mode(query_params: Document) -> str | None:
    mode = query_params.get("mode")
    return mode[0] if isinstance(mode, list) else mode


def _import_rest_api(definition: Document) -> Any:
    name = definition.get("info", {}).get("title", "unnamed")
    _, headers, created = api_gateway._create_rest_api({"name": name})
    api_id = json.loads(created)["id"]
    _define(api_id, definition)
    return 201, headers, api_gateway._get_rest_api(api_id)[2]


def _put_rest_api(api_id: str, definition: Document) -> Any:
    resources = api_gateway._resources[api_id]
    for resource_id, resource in list(resources.items()):
        if resource["path"] == "/":
            resource["resourceMethods"] = {}
        else:
            del resources[resource_id]
    api_gateway._authorizers_v1[api_id] = {}
    _define(api_id, definition)
    return api_gateway._get_rest_api(api_id)


def _define(api_id: str, definition: Document) -> None:
    """Create the resources and methods of an OpenAPI definition, as API Gateway does on import."""
    schemes = api_gateway._import_security_schemes(api_id, definition)
    for path, operations in definition.get("paths", {}).items():
        api_gateway._import_path_item(api_id, path, operations, schemes, definition.get("security"))
        resource_id = _resource_id(api_id, path)
        for method, operation in operations.items():
            _define_responses(api_id, resource_id, method.upper(), operation)
    api_gateway._rest_apis[api_id]["binaryMediaTypes"] = definition.get(
        "x-amazon-apigateway-binary-media-types", []
    )


def _resource_id(api_id: str, path: str) -> str:
    return next(
        resource_id
        for resource_id, resource in api_gateway._resources[api_id].items()
        if resource["path"] == path
    )


def _define_responses(api_id: str, resource_id: str, method: str, operation: Document) -> None:
    for status_code, response in operation.get("responses", {}).items():
        parameters = {
            f"method.response.header.{header}": False for header in response.get("headers", {})
        }
        api_gateway._put_method_response(
            api_id, resource_id, method, status_code, {"responseParameters": parameters}
        )
    integration = operation.get("x-amazon-apigateway-integration", {})
    if integration.get("type") != "mock":
        return
    api_gateway._put_integration(
        api_id,
        resource_id,
        method,
        {"type": "MOCK", "requestTemplates": integration.get("requestTemplates")},
    )
    for response in integration.get("responses", {}).values():
        api_gateway._put_integration_response(
            api_id,
            resource_id,
            method,
            response["statusCode"],
            {"responseParameters": response.get("responseParameters")},
        )


def _without_empty_compression_size(body: bytes) -> bytes:
    patch = json.loads(body or b"{}")
    patch["patchOperations"] = [
        operation
        for operation in patch.get("patchOperations", [])
        if operation.get("path") != "/minimumCompressionSize" or operation.get("value")
    ]
    return json.dumps(patch).encode()


def pin_secure_request_origin(source_ip: str, _secure_transport: bool) -> None:
    """Record the request's source with `aws:SecureTransport` true."""
    iam_evaluator._request_origin.set((source_ip, True))


def action(service: str, *request: Any) -> str | None:
    """The IAM action a request is checked for: that of a single message for an SQS batch."""
    name: str | None = _action_upstream(service, *request)
    return name.removesuffix("Batch") if name and service == "sqs" else name


def resource_arn(
    service: str,
    method: str,
    path: str,
    headers: Any,
    body: bytes,
    query_params: Document,
    region: str,
    account_id: str,
) -> str:
    """The ARN a request is checked against: the parameter path for GetParametersByPath."""
    if service == "ssm" and (parameters_path := json.loads(body or b"{}").get("Path")):
        return f"arn:aws:ssm:{region}:{account_id}:parameter{parameters_path.rstrip('/')}"
    return str(
        _resource_arn_upstream(
            service, method, path, headers, body, query_params, region, account_id
        )
    )


def poll_streams_apart() -> bool:
    """Leave the streams to a thread of their own; "found nothing" lets the caller's loop rest."""
    _start_polling_streams()
    return False


@cache
def _start_polling_streams() -> None:
    threading.Thread(target=_poll_streams, daemon=True).start()


def _poll_streams() -> None:
    while True:
        try:
            _poll_streams_upstream()
        except Exception:
            logger.exception("Polling the streams failed")
        time.sleep(STREAM_POLL_SECONDS)


if __name__ == "__main__":
    lambda_svc._poll_dynamodb_streams = poll_streams_apart
    api_gateway.handle_request = handle_request
    iam_evaluator._request_origin = ContextVar("request_origin", default=("127.0.0.1", True))
    iam_actions.extract_iam_action = action
    iam_actions.extract_resource_arn = resource_arn
    emulator.pin_request_origin = pin_secure_request_origin
    emulator.main()
