"""Chalice's record of the resources it deployed: .chalice/deployed/<stage>.json.

Chalice writes the record only at the end of a successful deploy, and trusts it. After an
interrupted deploy, or from another checkout, Chalice would create a second REST API and duplicate
event source mappings. So before each deploy the record is completed with the resources that exist
in AWS under this app's and stage's names: Chalice then updates them, and callers keep their URL.
`chalice delete` deletes only what the record lists, so the record is completed before it as well.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.account import APP_NAME, Account

Resource = dict[str, str]


def path_of(project: Path, stage: str) -> Path:
    """The path of Chalice's record of a stage."""
    return project / ".chalice" / "deployed" / f"{stage}.json"


def function_name(stage: str, function: str) -> str:
    """The name Chalice gives a Lambda function; `api_handler`, all routes, has no suffix."""
    base = f"{APP_NAME}-{stage}"
    return base if function == "api_handler" else f"{base}-{function}"


def complete(
    project: Path,
    stage: str,
    account: Account,
    functions: Iterable[str],
    progress: Callable[[str], None],
) -> None:
    """Add to the record the stage's AWS resources that it lacks or describes differently.

    `functions` are Chalice's names of the stage's functions. If the stage has several REST APIs,
    the recorded one stays, else the first found; the others are deleted, because Chalice would
    never manage them.
    """
    file = path_of(project, stage)
    record = json.loads(file.read_text()) if file.exists() else {"resources": []}
    known = {resource["name"]: resource for resource in record["resources"]}
    changed = [
        resource
        for resource in _found(account, stage, functions, known.get("rest_api", {}), progress)
        if not resource.items() <= known.get(resource["name"], {}).items()
    ]
    if changed:
        progress(f"{len(changed)} resources of an earlier deploy are added to Chalice's record")
        for resource in changed:
            known[resource["name"]] = resource
        record |= {"resources": list(known.values()), "schema_version": "2.0", "backend": "api"}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record, indent=2) + "\n")


def _found(
    account: Account,
    stage: str,
    functions: Iterable[str],
    known_api: Resource,
    progress: Callable[[str], None],
) -> Iterator[Resource]:
    """Yield the stage's resources in creation order; Chalice deletes them in reverse."""
    for function in functions:
        yield from _role(account, stage, function)
        yield from _function(account, stage, function)
    apis = list(_rest_apis(account, stage))
    if apis:
        kept = known_api.get("rest_api_id")
        kept = kept if kept in apis else apis[0]
        yield {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": kept}
        for extra in set(apis) - {kept}:
            progress(f"REST API {extra} is a duplicate left by a failed deploy: deleted")
            account.client("apigateway").delete_rest_api(restApiId=extra)


def _role(account: Account, stage: str, function: str) -> Iterator[Resource]:
    client, name = account.client("iam"), f"{APP_NAME}-{stage}-{function}"
    try:
        role = client.get_role(RoleName=name)["Role"]
    except client.exceptions.NoSuchEntityException:
        return
    yield {
        "name": f"{function}_role",
        "resource_type": "iam_role",
        "role_arn": role["Arn"],
        "role_name": name,
    }


def _function(account: Account, stage: str, function: str) -> Iterator[Resource]:
    client, name = account.client("lambda"), function_name(stage, function)
    try:
        arn = client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    except client.exceptions.ResourceNotFoundException:
        return
    yield {"name": function, "resource_type": "lambda_function", "lambda_arn": arn}
    # No duplicates to handle: Lambda rejects a second mapping of a queue to the same function.
    for mapping in client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
        if ":dynamodb:" in mapping["EventSourceArn"]:
            yield {
                "name": f"{function}-dynamodb-event-source",
                "resource_type": "dynamodb_event",
                "stream_arn": mapping["EventSourceArn"],
                "event_uuid": mapping["UUID"],
                "lambda_arn": arn,
            }
            continue
        yield {
            "name": f"{function}-sqs-event-source",
            "resource_type": "sqs_event",
            "queue_arn": mapping["EventSourceArn"],
            "queue": mapping["EventSourceArn"].rpartition(":")[2],
            "event_uuid": mapping["UUID"],
            "lambda_arn": arn,
        }


def _rest_apis(account: Account, stage: str) -> Iterator[str]:
    """Yield the ids of the stage's REST APIs.

    The REST APIs of all stages share the app's name; the function they invoke identifies the stage.
    """
    client = account.client("apigateway")
    for page in client.get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if api["name"] == APP_NAME and _invokes(
                client, api["id"], function_name(stage, "api_handler")
            ):
                yield api["id"]


def _invokes(client: Any, api_id: str, function: str) -> bool:
    for resource in client.get_resources(restApiId=api_id, limit=500)["items"]:
        for method in resource.get("resourceMethods", ()):
            try:
                integration = client.get_integration(
                    restApiId=api_id, resourceId=resource["id"], httpMethod=method
                )
            except ClientError:
                continue
            if f":function:{function}/" in integration.get("uri", ""):
                return True
    return False
