"""A sample third party: verifies, stores and lists the results it receives.

Use it as a starting point for your own receiver. It rejects requests that are not signed and
documents that are not valid, and stores a result that is delivered twice only once.
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


class Rejected(Exception):
    """A request is rejected: `status_code` is the response's status, the message its reason."""

    def __init__(self, status_code: int, reason: str) -> None:
        super().__init__(reason)
        self.status_code = status_code


@app.route("/results", methods=["POST"], content_types=["application/xml"])
def receive_result() -> Response:
    """Store a result. Responds 204, even to a repeated delivery.

    Responds 401 for an invalid signature, 413 for a body above MAX_BYTES, and 422 for an invalid
    document. The sender retries after 408, 409, 425, 429 and 5xx; after any other 4xx it gives up.
    """
    request = app.current_request
    try:
        webhook_id = verified(request.raw_body, request.headers)
        document = checked(request.raw_body)
    except Rejected as error:
        return Response({"Message": str(error)}, status_code=error.status_code)
    keep(webhook_id, document)
    return Response("", status_code=204)


@app.route("/received", methods=["GET"])
def list_received() -> dict[str, object]:
    """List the received results, newest first."""
    with database() as connection:
        rows = connection.execute("SELECT * FROM received ORDER BY received_at DESC").fetchall()
    return {
        "received": [
            {"webhook_id": webhook_id, "received_at": received_at, "document": document}
            for webhook_id, received_at, document in rows
        ]
    }


def verified(body: bytes, headers: object) -> str:
    """The webhook-id of a request with a valid signature, made within the last 5 minutes.

    Verify before anything else: an unverified body is untrusted. Raises Rejected: 413 for a body
    above MAX_BYTES, 401 for an invalid signature.
    """
    if len(body) > MAX_BYTES:
        raise Rejected(413, f"The body has {len(body)} bytes; the limit is {MAX_BYTES}.")
    webhook = Webhook(os.environ["WEBHOOK_SECRET"])
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    signed = {name: headers[name] for name in names if name in headers}
    try:
        webhook.verify(body, signed, json_parse=False)
    # The package raises ValueError for headers or bodies that are not text or not base64.
    except (WebhookVerificationError, ValueError) as error:
        raise Rejected(401, f"The signature is not valid: {error}.") from error
    return signed["webhook-id"]


def checked(body: bytes) -> str:
    """The XML document in a body, as text; raises Rejected (422) if it is not valid."""
    try:
        SCHEMA.validate(ElementTree.fromstring(body))
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise Rejected(422, f"The body is not acceptable XML: {error!r}.") from error
    except XMLSchemaValidationError as error:
        raise Rejected(
            422, f"The document is not valid against the schema: {error.reason}."
        ) from error
    return body.decode()


def keep(webhook_id: str, document: str) -> None:
    """Store a document once: another delivery with the same webhook-id changes nothing."""
    with database() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO received VALUES (?, ?, ?)",
            (webhook_id, datetime.now(UTC).isoformat(), document),
        )


def database() -> sqlite3.Connection:
    """Connect to the SQLite database; on AWS use a DynamoDB table with the key webhook_id."""
    connection = sqlite3.connect(DATABASE, timeout=10)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS received "
        "(webhook_id TEXT PRIMARY KEY, received_at TEXT, document TEXT)"
    )
    return connection
