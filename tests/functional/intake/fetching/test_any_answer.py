"""Any bytes as a response: an image or a FetchError, within the deadline."""

import gzip
import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.intake.fetching.fetch import fetch
from chalicelib.intake.fetching.limits import FetchLimits, parse_allowed_origins
from chalicelib.model.errors import FetchError
from tests.helpers.servers import sends, serving

MAX_BYTES = 1000

HEADER_LINES = st.sampled_from(
    [b"Content-Length: 5", b"Content-Length: 99999", b"Content-Length: -5", b"Content-Length:",
     b"Content-Length: 5, 6", b"Content-Length: 0x10", b"Content-Length: \xb2",
     b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: x",
     b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Encoding: \xff",
     b"Location: http://other.example/", b"Location: \xff\xfe", b"Location: //[", b"Location:",
     b"Content-Type: image/png", b"Content-Type: \xff", b" folded", b": nameless", b"\0: zero",
     b"No colon at all", b"X: " + b"x" * 70_000, b"Connection: keep-alive", b"\r"]
)  # fmt: skip
RESPONSES = st.builds(
    lambda start, lines, end, body: start + b"\r\n".join(lines) + end + body,
    st.sampled_from(
        [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\n", b"HTTP/1.0 200\r\n", b"HTTP/2 200\r\n",
         b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 \xff\r\n", b"",
         b"HTTP/1.1 200 OK\n", b"ICY 200 OK\r\n", b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n"]
    ),
    st.lists(HEADER_LINES | st.binary(max_size=20), max_size=6),
    st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\n", b""]),
    st.binary(max_size=50)
    | st.sampled_from(
        [b"5\r\nimage\r\n0\r\n\r\n", b"5\r\nimage", b"-5\r\nimage", b"5;x=y\r\nimage\r\n0\r\n\r\n",
         b"0x5\r\nimage\r\n", b"ffffffffffffffffffff\r\n", gzip.compress(b"image"),
         gzip.compress(bytes(100_000)), gzip.compress(b"image")[:-4], bytes(5000)]
    ),
)  # fmt: skip


@given(RESPONSES | st.binary(max_size=200))
@example(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n0\r\nX: y")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nimage")
@settings(max_examples=400, deadline=None)
def test_any_response_is_an_image_or_an_error(response: bytes) -> None:
    with serving(sends(response)) as server:
        origin = "http://{}:{}".format(*server.address)
        limits = FetchLimits(
            parse_allowed_origins(origin), MAX_BYTES, deadline_seconds=5, max_redirects=0
        )
        started = time.monotonic()
        try:
            fetched = fetch(f"{origin}/", limits)
            refusal = None
        except FetchError as error:
            fetched, refusal = None, error
        assert time.monotonic() - started < 5
    if fetched:
        assert len(fetched.content) <= MAX_BYTES
    if refusal:
        assert len(str(refusal)) < 1000
        # 400 is for a redirect to an invalid URL.
        assert refusal.STATUS_CODE in {400, 413, 502}
