"""Which URLs results may be delivered to; the deploy and every function check with this.

The owner of the stage chooses the URL, so any host is allowed. What is refused would not work, or
would send findings, which can be personal data, where others can read them.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

URL_VARIABLE = "THIRD_PARTY_URL"
HTTP_ALLOWED_VARIABLE = "THIRD_PARTY_HTTP_ALLOWED"


def parse_hosts(text: str) -> frozenset[str]:
    """The host names in a list with commas, as THIRD_PARTY_HTTP_ALLOWED has them."""
    return frozenset(host.strip().lower() for host in text.split(",") if host.strip())


def problem_with(url: str, http_allowed: Collection[str] = ()) -> str | None:
    """Why results are not delivered to a URL, as the end of a sentence about it; None if they are.

    http is for hosts on this machine and those named in `http_allowed`. The text never quotes a
    password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is no URL: its host or port cannot be parsed"
    if "@" in parts.netloc:
        return (
            "has a user name or password before its host, which would be stored with the stage's "
            "settings and is never sent. Remove it: the third party recognizes a result by its "
            "signature"
        )
    if parts.scheme not in ("http", "https") or not host or _has_spaces(url):
        return f"is {_shown(parts, url)!r}, but must be an http or https URL"
    if port == 0:
        return "names port 0, but ports are 1 to 65535"
    if parts.scheme == "http" and not _is_loopback(host) and host not in http_allowed:
        return (
            f"is http, so that anybody on the way to {host} can read the results. Use https, or "
            f"allow this host by its name: {HTTP_ALLOWED_VARIABLE}={host}"
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _has_spaces(url: str) -> bool:
    return any(character.isspace() or not character.isprintable() for character in url)


def _shown(parts: SplitResult, url: str) -> str:
    """What may be shown of a URL: a query can have a token, and an odd URL a password."""
    return "…" if "@" in url else parts._replace(query="", fragment="").geturl()
