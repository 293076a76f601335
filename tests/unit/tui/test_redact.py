"""Secrets are hidden wherever they stand, and nothing else is."""

from __future__ import annotations

import pytest
from testbed.tables import each

from flow_tui.redact import HIDDEN, redact


@each(
    ("text", "hidden"),
    [
        ("bad key sk-secret-123", "sk-secret-123"),
        ("fkey_abc123", "fkey_abc123"),
        ("ghp_0123456789abcdef is wrong", "ghp_0123456789abcdef"),
        ("hf_abcdefgh", "hf_abcdefgh"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("eyJhbGciOi.eyJzdWIiOi.c2ln", "eyJzdWIiOi"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("{'api_key': 'shorty'}", "shorty"),
        ("password=hunter2 for bob", "hunter2"),
        ('"client_secret": "two words"', "two words"),
        ("https://bob:hunter2@host/x", "hunter2"),
        ("https://tokenonly@host/x", "tokenonly"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----", "abc"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "abc"),
        ("input_value={'x': 'hunter2'}, input_type=dict", "hunter2"),
        ("got 9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015"),
        ("cookie: a=b", "a=b"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, hidden: str) -> None:
    assert hidden not in redact(text)
    assert HIDDEN in redact(text)


@each(
    "text",
    [
        "KeyError: 'region'",
        "AuthError: you are not logged in",
        "no task is called train-llama-7b in context lab",
        "/home/someone/projects/flow/2024/config.yaml can't be read",
        "expected str instance, int found",
        "http://127.0.0.1:8080/v2/instances",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_values_of_secret_looking_variables_are_hidden_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "plainword")
    monkeypatch.setenv("LONGER_TOKEN", "plainword-and-more")
    monkeypatch.setenv("SHORT_KEY", "1")
    assert redact("1 plainword-and-more, plainword") == f"1 {HIDDEN}, {HIDDEN}"
