"""A third party: what it receives from the image recognition app, it keeps and shows.

Start from here to write your own receiver. A result can come more than once; `webhook-id` tells
a repetition.
"""

import os
import sqlite3
from datetime import UTC, datetime

from chalice import BadRequestError, Chalice, Response
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

app = Chalice(app_name="third-party")

DATABASE = os.environ.get("RECEIVED_DATABASE", "received.sqlite")


@app.route("/results", methods=["POST"], content_types=["application/xml"])
def receive_result() -> Response:
    """Keep a result; one that is known is not kept twice."""
    webhook_id = app.current_request.headers.get("webhook-id")
    if not webhook_id:
        raise BadRequestError("The header webhook-id is missing.")
    document = app.current_request.raw_body
    try:
        ElementTree.fromstring(document)
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise BadRequestError(f"The body is not XML that can be taken: {error!r}.") from error
    with _database() as database:
        database.execute(
            "INSERT OR IGNORE INTO received VALUES (?, ?, ?)",
            (webhook_id, datetime.now(UTC).isoformat(), document.decode()),
        )
    return Response(body="", status_code=204)


@app.route("/received", methods=["GET"])
def list_received() -> dict[str, object]:
    """What was received, the newest first."""
    with _database() as database:
        rows = database.execute("SELECT * FROM received ORDER BY received_at DESC").fetchall()
    return {
        "received": [
            {"webhook_id": webhook_id, "received_at": received_at, "document": document}
            for webhook_id, received_at, document in rows
        ]
    }


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(DATABASE, timeout=10)
    database.execute(
        "CREATE TABLE IF NOT EXISTS received "
        "(webhook_id TEXT PRIMARY KEY, received_at TEXT, document TEXT)"
    )
    return database
