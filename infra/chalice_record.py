"""Chalice's record of what it made: .chalice/deployed/<stage>.json.

Chalice writes it at the end of a deploy that went well, and believes it. After a deploy that was
cut off, or from another checkout, it would make a second REST API and second event source
mappings. So before a deploy the record is completed with what AWS has by this app's and stage's
names: Chalice then updates that, and callers keep their URL. `chalice delete` takes away what the
record names, so it is completed before that as well.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.account import APP_NAME, Account

Resource = dict[str, str]


def path_of(project: Path, stage: str) -> Path:
    """Where Chalice keeps its record of a stage."""
    return project / ".chalice" / "deployed" / f"{stage}.json"


def function_name(stage: str, function: str) -> str:
    """The name that Chalice gives to a function; the one for all routes has none of its own."""
    base = f"{APP_NAME}-{stage}"
    return base if function == "api_handler" else f"{base}-{function}"


def complete(
    project: Path,
    stage: str,
    account: Account,
    functions: Iterable[str],
    tell: Callable[[str], None],
) -> None:
    """Put on the record what AWS has of the stage and the record lacks or has otherwise.

    Of several REST APIs the first stays, and the others, which no record will ever name, go.
    """
    file = path_of(project, stage)
    record = json.loads(file.read_text()) if file.exists() else {"resources": []}
    known = {resource["name"]: resource for resource in record["resources"]}
    changed = [
        resource
        for resource in _found(account, stage, functions, known.get("rest_api", {}), tell)
        if not resource.items() <= known.get(resource["name"], {}).items()
    ]
    if changed:
        tell(f"{len(changed)} resources of an earlier deploy are not on Chalice's record: added")
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
    tell: Callable[[str], None],
) -> Iterator[Resource]:
    """What there is, in the order in which Chalice makes it: it deletes in the reverse order."""
    for function in functions:
        yield from _role(account, stage, function)
        yield from _function(account, stage, function)
    apis = list(_rest_apis(account, stage))
    if apis:
        kept = known_api.get("rest_api_id")
        kept = kept if kept in apis else apis[0]
        yield {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": kept}
        for extra in set(apis) - {kept}:
            tell(f"REST API {extra} is a second one of this stage, left by a failure: removed")
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
    # Lambda itself refuses a second mapping of the same queue to the same function.
    for mapping in client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
        yield {
            "name": f"{function}-sqs-event-source",
            "resource_type": "sqs_event",
            "queue_arn": mapping["EventSourceArn"],
            "queue": mapping["EventSourceArn"].rpartition(":")[2],
            "event_uuid": mapping["UUID"],
            "lambda_arn": arn,
        }


def _rest_apis(account: Account, stage: str) -> Iterator[str]:
    """REST APIs of all stages have the app's name: what tells them apart is what they call."""
    client = account.client("apigateway")
    for page in client.get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if api["name"] == APP_NAME and _calls(
                client, api["id"], function_name(stage, "api_handler")
            ):
                yield api["id"]


def _calls(client: Any, api_id: str, function: str) -> bool:
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
