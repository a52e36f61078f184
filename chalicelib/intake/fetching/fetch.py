"""A stranger's URL to bytes, without becoming the stranger's hand inside our network.

Every hop (the URL itself and each redirect) goes the same way: the URL is parsed once
(image_urls), its host is resolved and connected to only where every address is public
(public_addresses), and one GET is read within the limits (bounded_http). No proxy, netrc or
cookie of the environment takes part: there is a socket, and nothing else.
"""

from dataclasses import dataclass

from chalicelib.intake.fetching.image_urls import ImageUrl, parse_image_url
from chalicelib.intake.fetching.limits import FetchLimits
from chalicelib.model.errors import FetchError, TooManyRedirects
from chalicelib.transport.bounded_http import Answer, get
from chalicelib.transport.deadline import Deadline
from chalicelib.transport.public_addresses import connect


@dataclass(frozen=True)
class FetchedImage:
    """What a URL gave: its bytes, what its server calls them, and the URL after all redirects.

    Neither the bytes nor `content_type` have been looked at yet.
    """

    content: bytes
    content_type: str | None
    url: str


def fetch(url: str, limits: FetchLimits) -> FetchedImage:
    """Get the body at a URL, within the limits.

    Raises a subclass of `FetchError`: 400 for a URL that may not be fetched, 413 for a body that
    is too large, 502 for what its server did, 504 where the deadline passed.
    """
    deadline = Deadline.after(limits.deadline_seconds)
    hop, came_from = url, None
    for _ in range(limits.max_redirects + 1):
        try:
            image_url = parse_image_url(hop)
            answer = _get(image_url, limits, deadline)
        except FetchError as error:
            if came_from is None:
                raise
            raise type(error)(f"{came_from} redirects to another URL. {error}") from error
        if answer.location is None:
            return FetchedImage(answer.body, answer.content_type, image_url.text)
        hop, came_from = image_url.join(answer.location), image_url.origin
    raise TooManyRedirects(
        f"The URL redirects more than {limits.max_redirects} times. Send the address of the image "
        "itself."
    )


def _get(url: ImageUrl, limits: FetchLimits, deadline: Deadline) -> Answer:
    with connect(
        url, limits.ports, allowed=url.origin in limits.allowed_origins, deadline=deadline
    ) as connection:
        return get(connection, url, limits.max_bytes, deadline)
