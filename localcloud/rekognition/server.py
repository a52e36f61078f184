"""The socket: HTTP requests of any AWS client to Rekognition.handle_body and back."""

import sys
import traceback
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from localcloud.rekognition.protocol import CONTENT_TYPE, ServiceError, encode_error
from localcloud.rekognition.service import Rekognition

# 5 MiB in base64, and room to tell a client kindly that a larger image is too large.
_MAX_BODY_BYTES = 32 * 1024 * 1024
_TARGET_PREFIX = "RekognitionService."


class RekognitionServer(ThreadingHTTPServer):
    """Serves on an address; each connection has a thread of its own."""

    daemon_threads = True
    request_queue_size = 128  # the library's 5 would refuse connections under a small burst
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], rekognition: Rekognition) -> None:
        self.rekognition = rekognition
        super().__init__(address, _Connection)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds for a client that says nothing
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer one request."""
        try:
            status, answer = 200, self._answer()
        except ServiceError as error:
            status, answer = error.status, encode_error(error)
        except Exception:  # whatever it is, the client gets an answer
            traceback.print_exc()
            fault = ServiceError("InternalServerError", "The local Rekognition has a fault.", 500)
            status, answer = fault.status, encode_error(fault)
        self._send(status, answer)

    def do_GET(self) -> None:
        """Tell a person, or whoever waits for the server, that it is there."""
        self._send(200, b'{"service":"local Rekognition"}')

    def _answer(self) -> bytes:
        body = self._body()  # always read, or the next request on this connection would begin in it
        server = cast(RekognitionServer, self.server)
        return server.rekognition.handle_body(self._operation(), body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base has it
        """One line a request, on standard error."""
        sys.stderr.write(f"{self.log_date_time_string()} {format % arguments}\n")

    def _operation(self) -> str:
        target = self.headers.get("X-Amz-Target", "")
        if not target.startswith(_TARGET_PREFIX):
            raise ServiceError(
                "UnknownOperationException",
                f"The header X-Amz-Target must be {_TARGET_PREFIX} and an operation's name.",
            )
        return target.removeprefix(_TARGET_PREFIX)

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length", 0))
        if length > _MAX_BODY_BYTES:
            self.close_connection = True
            raise ServiceError(
                "RequestEntityTooLargeException", f"The request has {length} bytes.", 413
            )
        return self.rfile.read(length)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)
