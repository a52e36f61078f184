import pytest

from chalicelib.integration.third_party_url import parse_hosts, problem_with


@pytest.mark.parametrize(
    "url",
    [
        "https://third.example.com",
        "https://third.example.com:8443/results?key=1",
        "https://10.0.0.5/results",
        "http://127.0.0.1:4569/results",
        "http://127.8.8.8/",
        "http://localhost/",
        "http://LOCALHOST:80/",
        "http://[::1]:8080/",
        "http://receiver.internal/results",
    ],
)
def test_https_loopback_and_allowed_hosts_are_delivered_to(url: str) -> None:
    assert problem_with(url, parse_hosts("a.example, Receiver.internal")) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://alice:pa55@third.example.com/", "user name or password"),
        ("https://pa55@third.example.com/", "user name or password"),
        ("http://alice:pa55@127.0.0.1/", "user name or password"),
        ("https://@third.example.com/", "user name or password"),
        ("http://third.example.com/", "THIRD_PARTY_HTTP_ALLOWED=third.example.com"),
        ("http://10.0.0.5/results", "THIRD_PARTY_HTTP_ALLOWED=10.0.0.5"),
        ("http://localhost.example.com/", "is http"),
        ("http://127.0.0.1.example.com/", "is http"),
        ("ftp://third.example.com/", "must be an http or https URL"),
        ("third.example.com/results", "must be an http or https URL"),
        ("https:///results", "must be an http or https URL"),
        ("https:///alice:pa55@third.example.com/", "must be an http or https URL"),
        ("https://third.example.com/a b", "must be an http or https URL"),
        ("https://third.example.com:0/", "port 0"),
        ("https://third.example.com:99999/", "cannot be parsed"),
        ("https://[third.example.com/", "cannot be parsed"),
        ("https://alice:pa55\u2100@third.example.com/", "cannot be parsed"),
    ],
)
def test_any_other_url_is_refused_with_the_reason_and_without_its_password(
    url: str, reason: str
) -> None:
    problem = problem_with(url)
    assert problem is not None
    assert reason in problem
    assert "pa55" not in problem
