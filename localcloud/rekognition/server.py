"""The HTTP server: passes the requests of any AWS client to Rekognition.handle_body."""

import sys
import traceback
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from localcloud.rekognition.protocol import CONTENT_TYPE, ServiceError, encode_error
from localcloud.rekognition.service import Rekognition

# The largest valid image, 5 MiB in base64, with room to reject a larger one with a proper error.
_MAX_BODY_BYTES = 32 * 1024 * 1024
_TARGET_PREFIX = "RekognitionService."


class RekognitionServer(ThreadingHTTPServer):
    """Serves a Rekognition on an address (host, port), with one thread per connection."""

    daemon_threads = True
    request_queue_size = 128  # the default of 5 would refuse connections in a small burst
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], rekognition: Rekognition) -> None:
        self.rekognition = rekognition
        super().__init__(address, _Connection)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds until an idle connection is closed
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Handle one AWS request."""
        try:
            status, body = 200, self._respond()
        except ServiceError as error:
            status, body = error.status, encode_error(error)
        except Exception:  # the client gets a response in any case
            traceback.print_exc()
            fault = ServiceError(
                "InternalServerError", "The local Rekognition failed; see its log.", 500
            )
            status, body = fault.status, encode_error(fault)
        self._send(status, body)

    def do_GET(self) -> None:
        """Respond to health checks."""
        self._send(200, b'{"service":"local Rekognition"}')

    def _respond(self) -> bytes:
        body = self._body()  # always read: the next request on this connection follows it
        server = cast(RekognitionServer, self.server)
        return server.rekognition.handle_body(self._operation(), body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Write one line per request to stderr."""
        sys.stderr.write(f"{self.log_date_time_string()} {format % arguments}\n")

    def _operation(self) -> str:
        target = self.headers.get("X-Amz-Target", "")
        if not target.startswith(_TARGET_PREFIX):
            raise ServiceError(
                "UnknownOperationException",
                f"The header X-Amz-Target is {target!r}, but must be {_TARGET_PREFIX}OPERATION.",
            )
        return target.removeprefix(_TARGET_PREFIX)

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length", 0))
        if length > _MAX_BODY_BYTES:
            self.close_connection = True
            raise ServiceError(
                "RequestEntityTooLargeException",
                f"The request body has {length} bytes; the limit is {_MAX_BODY_BYTES}.",
                413,
            )
        return self.rfile.read(length)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)
