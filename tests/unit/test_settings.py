import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings import Settings, SettingsError

PROJECT = Path(__file__).parents[2]
REQUIRED = {
    "API_TOKENS_PATH": "/tokens",
    "IMAGES_BUCKET_NAME": "bucket",
    "CATALOG_TABLE_NAME": "table",
    "STAGE": "local",
    "CATALOG_TABLE_STREAM_ARN": "arn:aws:dynamodb:us-east-1:123456789012:table/table/stream/1",
    "IDEMPOTENCY_TABLE_NAME": "idempotency",
    "INTAKE_QUEUE_URL": "https://sqs.example.com/1/intake",
    "RECOGNITION_QUEUE_URL": "https://sqs.example.com/1/recognition",
    "RESULTS_TOPIC_ARN": "arn:aws:sns:us-east-1:1:results",
    "INTEGRATION_QUEUE_URL": "https://sqs.example.com/1/integration",
    "INTEGRATION_DEAD_LETTERS_URL": "https://sqs.example.com/1/integration-dead-letters",
    "INTAKE_DEAD_LETTERS_URL": "https://sqs.example.com/1/intake-dead-letters",
    "RECOGNITION_DEAD_LETTERS_URL": "https://sqs.example.com/1/recognition-dead-letters",
    "REMOVALS_QUEUE_URL": "https://sqs.example.com/1/removals",
    "REMOVALS_DEAD_LETTERS_URL": "https://sqs.example.com/1/removals-dead-letters",
    "WEBHOOK_SECRETS_PATH": "/webhook-secrets",
}


def test_unset_settings_have_the_defaults_of_rekognitions_workshop() -> None:
    settings = Settings.from_environment(REQUIRED)
    assert (settings.max_labels, settings.min_confidence) == (10, 70)
    assert settings.recognition_queue_name == "recognition"
    assert settings.integration_queue_name == "integration"
    assert settings.fetch_limits.allowed_origins == frozenset()


def test_spending_is_unlimited_unless_a_limit_is_set() -> None:
    settings = Settings.from_environment(REQUIRED)
    assert (settings.monthly_spending_limit, settings.monthly_spending_limit_per_token) == (0, 0)
    limits = {"MONTHLY_SPENDING_LIMIT_USD": "50", "MONTHLY_SPENDING_LIMIT_PER_TOKEN_USD": "2.5"}
    settings = Settings.from_environment(REQUIRED | limits)
    assert (settings.monthly_spending_limit, settings.monthly_spending_limit_per_token) == (50, 2.5)
    for name in limits:
        with pytest.raises(SettingsError, match=f"{name} is '-1', but must be a number from 0"):
            Settings.from_environment(REQUIRED | {name: "-1"})


def test_one_error_names_every_missing_setting() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({})
    assert all(name in str(caught.value) for name in REQUIRED)


def test_the_error_for_an_undeployed_stage_names_the_commands_that_deploy_one() -> None:
    with pytest.raises(SettingsError, match=r"make run.*make deploy.*chalice local --stage local"):
        Settings.from_environment({})
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({**REQUIRED, "IMAGES_BUCKET_NAME": ""})
    assert "make run" not in str(caught.value)


def test_the_third_party_is_optional() -> None:
    assert Settings.from_environment(REQUIRED).third_party_url == ""
    url = "https://third.example.com/results"
    assert Settings.from_environment({**REQUIRED, "THIRD_PARTY_URL": url}).third_party_url == url


def test_a_password_of_the_third_party_is_refused_and_not_shown() -> None:
    url = "https://alice:pa55word@third.example.com/results"
    with pytest.raises(SettingsError, match="THIRD_PARTY_URL has a user name") as caught:
        Settings.from_environment({**REQUIRED, "THIRD_PARTY_URL": url})
    assert "pa55word" not in str(caught.value)


def test_http_to_another_machine_needs_its_name() -> None:
    variables = {**REQUIRED, "THIRD_PARTY_URL": "http://third.example.com/results"}
    with pytest.raises(SettingsError, match=r"THIRD_PARTY_HTTP_ALLOWED=third\.example\.com"):
        Settings.from_environment(variables)
    variables["THIRD_PARTY_HTTP_ALLOWED"] = "other.example, third.example.com"
    assert Settings.from_environment(variables).third_party_url == variables["THIRD_PARTY_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_LABELS", "0"),
        ("MAX_LABELS", "100"),
        ("MAX_LABELS", "ten"),
        ("MIN_CONFIDENCE", "101"),
        ("MIN_CONFIDENCE", "nan"),
        ("FETCH_MAX_BYTES", "1.5"),
        ("FETCH_DEADLINE_SECONDS", "60"),
        ("FETCH_ALLOWED_ORIGINS", "http://127.0.0.1:8900/path"),
        ("THIRD_PARTY_URL", "ftp://example.com"),
        ("RECOGNITION_QUEUE_URL", "recognition"),
        ("DELIVERY_PAUSES_SECONDS", "5,soon"),
        ("DELIVERY_PAUSES_SECONDS", "5,43201"),
        ("DELIVERY_DEADLINE_SECONDS", "60"),
        ("DELIVERY_HOLD_SECONDS", "-1"),
        ("DELIVERIES_AT_ONCE", "1"),
        ("DELIVERIES_AT_ONCE", "10001"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_the_error_for_a_bad_value_names_the_setting_and_shows_the_value(
    name: str, value: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({**REQUIRED, name: value})
    assert name in str(caught.value)
    assert value in str(caught.value)


def test_as_many_results_as_before_are_delivered_at_once_by_default() -> None:
    settings = Settings.from_environment(REQUIRED)
    assert (settings.delivery_concurrency, settings.deliveries_per_invocation) == (5, 10)


@pytest.mark.parametrize("at_once", [2, 3, 10, 11, 19, 20, 21, 25, 50, 99, 1234, 10_000])
def test_no_more_results_are_delivered_at_once_than_the_setting_says_and_nearly_as_many(
    at_once: int,
) -> None:
    settings = Settings.from_environment(REQUIRED | {"DELIVERIES_AT_ONCE": str(at_once)})
    assert 2 <= settings.delivery_concurrency <= 1000  # Lambda's limits
    assert 1 <= settings.deliveries_per_invocation <= 10  # a pool of
    product = settings.delivery_concurrency * settings.deliveries_per_invocation
    assert at_once - settings.delivery_concurrency < product <= at_once
    assert settings.deliveries_per_second == product / 15


def test_the_deployed_trigger_delivers_as_many_results_at_once_as_the_setting_says() -> None:
    variables = REQUIRED | {"DELIVERIES_AT_ONCE": "12"}
    code = (
        "from app import app\n"
        "(each,) = (e for e in app.event_sources if getattr(e, 'queue', '') == 'integration')\n"
        "print(each.batch_size, each.maximum_concurrency)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables | {"INTEGRATION_QUEUE_URL": "https://sqs.example/1/integration"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.split() == ["6", "2"]


def test_one_error_names_every_bad_value() -> None:
    bad: dict[str, Any] = {"MAX_LABELS": "0", "LOG_LEVEL": "LOUD"}
    with pytest.raises(SettingsError, match=r"MAX_LABELS.*LOG_LEVEL"):
        Settings.from_environment({**REQUIRED, **bad})
