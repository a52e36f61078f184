"""Creates tables as the stage's templates define them."""

from functools import cache
from typing import Any

from cfnlint.decode.cfn_yaml import loads  # type: ignore[import-untyped]

from tests.helpers.stage_process import PROJECT

_PROPERTIES = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


def create_table_of(client: Any, name: str, part: str, resource: str) -> None:
    """Create a table like a resource of the template `infra/<part>.yaml`, under another name."""
    client.create_table(TableName=name, **_definition(part, resource))


@cache
def _definition(part: str, resource: str) -> dict[str, Any]:
    template = loads((PROJECT / "infra" / f"{part}.yaml").read_text())
    properties = _plain(template["Resources"][resource]["Properties"])
    definition = {name: properties[name] for name in _PROPERTIES if name in properties}
    if "StreamSpecification" in properties:  # CloudFormation enables it by naming it
        stream = {"StreamEnabled": True} | properties["StreamSpecification"]
        definition["StreamSpecification"] = stream
    return definition


def _plain(value: Any) -> Any:
    """cfn-lint's nodes as the lists, dicts and texts that boto3 accepts."""
    match value:
        case dict():
            return {str(name): _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case str():
            return str(value)
    return value
