"""How far a fetch may go: apart from `fetch`, because every function reads its settings."""

from dataclasses import dataclass

from chalicelib.intake.fetching.image_urls import parse_origin


@dataclass(frozen=True)
class FetchLimits:
    """How far a fetch may go.

    `allowed_origins` are exact origins, as `parse_allowed_origins` gives them, that may be fetched
    although they are not public, and at their own port. `max_bytes` is of the body, after decoding
    any content-encoding. `deadline_seconds` is for the whole: names, connections, redirects, body.
    """

    allowed_origins: frozenset[str] = frozenset()
    max_bytes: int = 25 * 1024 * 1024
    deadline_seconds: float = 20.0
    max_redirects: int = 3
    ports: frozenset[int] = frozenset({80, 443})


def parse_allowed_origins(text: str) -> frozenset[str]:
    """The origins in a list such as `http://10.0.0.5:8900, https://images.example`.

    Raises ValueError for an entry that is not exactly an http or https origin.
    """
    return frozenset(parse_origin(entry.strip()) for entry in text.split(",") if entry.strip())
