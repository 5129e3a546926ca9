"""Texts from outside made safe for disk, terminal and network: without secrets, and without what steers a terminal.

Every error message passes through here (`factory.errors`), and so does every word of a server that is stored or shown.
"""

from __future__ import annotations

import os
import re
import unicodedata

HIDDEN = "***"
SHORTEST = 8
"""Characters of the shortest secret that is looked for: hiding shorter ones would hide ordinary words."""
_NAMES = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_USER = re.compile(r"(?<=://)[^\s/?#@'\"]+@")
_SHAPES = re.compile(
    r"(?P<head>\bBearer\s+|[?&](?:api[-_]?key|key|(?:access[-_]?)?token|sig(?:nature)?|password)=)[^\s&'\"\\]+"
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\b(?:hf|ghp|gsk)_[A-Za-z0-9]{16,}",
    re.IGNORECASE,
)
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Name a secret of this process, whatever the variable is called that it came from (`api_key_env`)."""
    _hidden.add(secret)


def secrets() -> list[str]:
    """The secrets of this process, longest first."""
    found = _hidden | {value.strip() for name, value in os.environ.items() if _NAMES.search(name.upper())}
    return sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True)


def redact(text: str) -> str:
    """A text without secrets: values of the environment, passwords in URLs, bearer tokens, and what looks like a key."""
    for secret in secrets():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = _USER.sub(f"{HIDDEN}@", text)
    return _SHAPES.sub(lambda m: (m["head"] or "") + HIDDEN, text)


def printable(text: str) -> str:
    r"""One line without control characters: an escape sequence in a trace must not steer the reader's terminal.

    Control and format characters (Unicode categories Cc, Cf, Cs, Co, Zl, Zp) become `\xNN` or `\uNNNN`; line breaks and
    tabs become spaces. Direction overrides are format characters, so text cannot be shown in a false order either.
    """
    if text.isprintable():
        return text
    return "".join(" " if c in "\n\r\t" else _shown(c) for c in text)


def safe(text: str) -> str:
    """A message for the terminal, with its own line breaks: redacted and printable."""
    return "\n".join(printable(line) for line in redact(text).split("\n"))


def told(text: str, longest: int = 200) -> str:
    """What a server said, on one line: redacted, printable, and not longer than `longest` characters."""
    return printable(redact(" ".join(text.split())))[:longest]


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
