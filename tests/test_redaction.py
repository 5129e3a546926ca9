"""Secrets and control characters stay out of every message."""

import pytest

from factory import redaction
from factory.errors import FactoryError
from factory.redaction import printable, redact, safe, told


def test_secrets_of_the_environment_are_hidden(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "topsecret-42")
    monkeypatch.setattr(redaction, "_hidden", {"named-by-api-key-env"})
    assert redact("key topsecret-42, named-by-api-key-env") == "key ***, ***"
    assert "topsecret" not in str(FactoryError("no", do="use topsecret-42"))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("cannot reach http://bob:hunter2secret@host/v1", "cannot reach http://***@host/v1"),
        ("http://token@host/v1 is down", "http://***@host/v1 is down"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("https://h/v1?api_key=abc&x=1", "https://h/v1?api_key=***&x=1"),
        ("sk-abcdefghijklmnop1234", "***"),
        ("an ordinary sentence with 2 + 2 = 4", "an ordinary sentence with 2 + 2 = 4"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, hidden):
    assert redact(text) == hidden


def test_a_terminal_is_not_steered():
    assert printable("\x1b]0;x\x07\u202e\ta") == "\\x1b]0;x\\x07\\u202e a"
    assert safe("a\nb\x1b[2J") == "a\nb\\x1b[2J"
    assert "\x1b" not in str(FactoryError("server said \x1b[2J"))
    assert told("a\n  b" * 100, 10) == "a ba ba ba"
