"""A third party: what it receives from the image recognition app it checks, keeps and shows.

Start from here to write your own receiver. It believes nothing that is not signed, refuses what is
not valid, and takes a result that comes twice for what it is: one result.
"""

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from chalice import Chalice, Response
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from xmlschema import XMLSchema, XMLSchemaValidationError

app = Chalice(app_name="third-party")

DATABASE = os.environ.get("RECEIVED_DATABASE", "received.sqlite")
SCHEMA = XMLSchema(Path(__file__).parent / "chalicelib" / "image-recognition.xsd")

# A result with 99 labels and a thousand boxes is about 0.5 MB.
MAX_BYTES = 4 * 1024 * 1024


class Refused(Exception):
    """A request is not taken; the status says whose fault it is, the text why."""

    def __init__(self, status_code: int, reason: str) -> None:
        super().__init__(reason)
        self.status_code = status_code


@app.route("/results", methods=["POST"], content_types=["application/xml"])
def receive_result() -> Response:
    """Keep a result: 204 also where it is known, 401 if it is not theirs, 422 if it is not valid.

    Any other 4xx too would tell the sender to give up at once; 429 and 5xx, to come again later.
    """
    request = app.current_request
    try:
        webhook_id = verified(request.raw_body, request.headers)
        document = checked(request.raw_body)
    except Refused as refusal:
        return Response({"Message": str(refusal)}, status_code=refusal.status_code)
    keep(webhook_id, document)
    return Response("", status_code=204)


@app.route("/received", methods=["GET"])
def list_received() -> dict[str, object]:
    """What was received, the newest first."""
    with database() as connection:
        rows = connection.execute("SELECT * FROM received ORDER BY received_at DESC").fetchall()
    return {
        "received": [
            {"webhook_id": webhook_id, "received_at": received_at, "document": document}
            for webhook_id, received_at, document in rows
        ]
    }


def verified(body: bytes, headers: object) -> str:
    """The webhook-id of a request that is signed with our secret, not longer than 5 minutes ago.

    This comes first: until it is done, the body is a stranger's.
    """
    if len(body) > MAX_BYTES:
        raise Refused(413, f"The body has more than {MAX_BYTES} bytes.")
    webhook = Webhook(os.environ["WEBHOOK_SECRET"])
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    signed = {name: headers[name] for name in names if name in headers}
    try:
        webhook.verify(body, signed, json_parse=False)
    # ValueError: what the package makes of headers and bodies that are no text or no base64.
    except (WebhookVerificationError, ValueError) as error:
        raise Refused(401, f"The signature is not good: {error}.") from error
    return signed["webhook-id"]


def checked(body: bytes) -> str:
    """The document in a body, as text, if it is valid against the published schema."""
    try:
        SCHEMA.validate(ElementTree.fromstring(body))
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise Refused(422, f"The body is not XML that can be taken: {error!r}.") from error
    except XMLSchemaValidationError as error:
        raise Refused(422, f"The document is not valid: {error.reason}.") from error
    return body.decode()


def keep(webhook_id: str, document: str) -> None:
    """Keep a document, once: what comes again under the same id is a repetition."""
    with database() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO received VALUES (?, ?, ?)",
            (webhook_id, datetime.now(UTC).isoformat(), document),
        )


def database() -> sqlite3.Connection:
    """Where results are kept; on AWS, take a DynamoDB table with webhook_id as its key."""
    connection = sqlite3.connect(DATABASE, timeout=10)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS received "
        "(webhook_id TEXT PRIMARY KEY, received_at TEXT, document TEXT)"
    )
    return connection
