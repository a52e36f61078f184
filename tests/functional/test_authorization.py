import pytest
from botocore.stub import Stubber
from chalice.test import Client

from tests.functional.conftest import TOKEN, Api

Aws = dict[str, Stubber]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/images"), ("GET", "/images"), ("GET", "/images/0123456789abcdef")],
)
def test_a_request_without_a_token_is_answered_401(
    client: Client, aws: Aws, method: str, path: str
) -> None:
    headers = {"Content-Type": "application/json"}
    assert client.http.request(method, path, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"]
)
def test_a_request_with_an_unknown_token_is_answered_403(
    client: Client, api: Api, authorization: str
) -> None:
    response = client.http.get("/images", headers={"Authorization": authorization})
    assert response.status_code == 403


def test_health_needs_no_token(client: Client, aws: Aws) -> None:
    response = client.http.get("/health")
    assert (response.status_code, response.json_body) == (200, {"status": "ok"})


def test_every_route_but_health_and_the_schema_needs_a_token(app: object) -> None:
    routes = app.routes.items()  # type: ignore[attr-defined]
    open_routes = {
        path for path, methods in routes for entry in methods.values() if not entry.authorizer
    }
    assert open_routes == {"/health", "/schemas/image-recognition.xsd"}
