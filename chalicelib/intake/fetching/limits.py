"""The limits of a fetch.

They are apart from `fetch`, because every Lambda function reads the settings, and few fetch.
"""

from dataclasses import dataclass

from chalicelib.intake.fetching.image_urls import parse_origin


@dataclass(frozen=True)
class FetchLimits:
    """What a fetch may reach, and how much it may take.

    `allowed_origins` are exact origins, as `parse_allowed_origins` returns them, that may be
    fetched although their address is not public or their port is not in `ports`. `max_bytes` limits
    the body after decoding its Content-Encoding. `deadline_seconds` covers the whole fetch: DNS,
    connections, redirects and body.
    """

    allowed_origins: frozenset[str] = frozenset()
    max_bytes: int = 25 * 1024 * 1024
    deadline_seconds: float = 20.0
    max_redirects: int = 3
    ports: frozenset[int] = frozenset({80, 443})


def parse_allowed_origins(text: str) -> frozenset[str]:
    """The origins in a comma-separated list such as `http://10.0.0.5:8900, https://images.example`.

    Raises ValueError for an entry that is not exactly an http or https origin.
    """
    return frozenset(parse_origin(entry.strip()) for entry in text.split(",") if entry.strip())
