"""Follows one photograph from its URL to its labels and the XML that the third party receives."""

import time
from collections.abc import Callable
from typing import Any
from xml.dom import minidom

import requests

from localcloud.stage import LocalStage

PHOTOGRAPH = "chelsea-cat.png"
DEADLINE_SECONDS = 60


class DemonstrationError(Exception):
    """The photograph was not recognized or delivered; the message says at which step it failed."""


def demonstrate(stage: LocalStage) -> None:
    """Post a bundled photograph; print its labels, the delivered XML and commands to try next.

    Raises DemonstrationError if a step fails or takes longer than DEADLINE_SECONDS.
    """
    photograph_url = f"{stage.configuration.photographs_url}/{PHOTOGRAPH}"
    _show(f"\nPOST /images  {photograph_url}")
    api = _api(stage.token)
    body = {"url": photograph_url}
    posted = _json(api.post(f"{stage.url}/images", json=body, timeout=30))
    image_url = f"{stage.url}/images/{posted['id']}"
    image = _wait_for(
        "its labels",
        lambda: _json(api.get(image_url, timeout=10)),
        lambda image: image["status"] != "PENDING",
    )
    if image["status"] == "FAILED":
        raise DemonstrationError(f"The photograph was not recognized: {image['failure']}")
    _show(f"GET /images/{posted['id']}")
    for label in image["labels"]:
        parents = f"  ({', '.join(label['parents'])})" if label["parents"] else ""
        _show(f"  {label['confidence']:6.2f}  {label['name']}{parents}")
    document = _delivered_document(stage, api, image_url, posted["id"])
    _show("\nThe third party received:")
    _show(minidom.parseString(document).toprettyxml(indent="  "))  # noqa: S318 - our own document
    _show(_next_commands(stage, photograph_url, posted["id"]))


def _api(token: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # the stage is on loopback: bypass any proxy
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def _delivered_document(
    stage: LocalStage, api: requests.Session, image_url: str, image_id: str
) -> str:
    _wait_for(
        f"the delivery to {stage.configuration.third_party_url}",
        lambda: _json(api.get(image_url, timeout=10))["delivery"] or {},
        lambda delivery: delivery.get("status") == "DELIVERED",
    )
    if stage.configuration.external_third_party_url:
        headers = {"Accept": "application/xml"}
        return api.get(image_url, headers=headers, timeout=10).text
    received_url = f"{stage.configuration.sample_third_party_url}/received"
    received = _json(requests.get(received_url, timeout=10))["received"]
    documents: list[str] = [entry["document"] for entry in received]
    return next(document for document in documents if f"<Id>{image_id}</Id>" in document)


def _wait_for(what: str, read: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_done(seen := read()):
        if time.monotonic() > deadline:
            raise DemonstrationError(
                f"Gave up after waiting {DEADLINE_SECONDS} s for {what}; last response: {seen}. "
                "See the logs in .localcloud/logs/."
            )
        time.sleep(0.1)
    return seen


def _json(response: requests.Response) -> Any:
    if not response.ok:
        raise DemonstrationError(
            f"{response.request.method} {response.url} returned {response.status_code}: "
            f"{response.text[:500]}"
        )
    return response.json()


def _next_commands(stage: LocalStage, photograph_url: str, image_id: str) -> str:
    return f"""Try it yourself:
  URL={stage.url}
  TOKEN={stage.token}
  curl -X POST $URL/images -H "Authorization: Bearer $TOKEN" \\
       -H 'Content-Type: application/json' -d '{{"url": "{photograph_url}"}}'
  curl $URL/images/{image_id} -H "Authorization: Bearer $TOKEN"
  curl $URL/images/{image_id} -H "Authorization: Bearer $TOKEN" -H 'Accept: application/xml'
  curl "$URL/images?label=cat&min_confidence=80" -H "Authorization: Bearer $TOKEN"
  curl {stage.configuration.sample_third_party_url}/received
"""


def _show(text: str) -> None:
    print(text, flush=True)
