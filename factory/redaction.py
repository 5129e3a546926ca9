"""Texts from outside made safe for disk, terminal and network: without secrets, and without what steers a terminal.

Every error message passes through here (`factory.errors`), and so does every word of a server that is stored or shown.
"""

from __future__ import annotations

import base64
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

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


def secrets_of(url: str) -> Iterator[str]:
    """Passwords and keys that stand in a URL, as they are sent."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        yield unquote(password or user)
    for found in _SHAPES.finditer(f"?{parts.query}"):
        yield unquote(found[0].partition("=")[2])


@lru_cache(maxsize=256)
def forms(secret: str) -> tuple[str, ...]:
    """A secret as others may repeat it, longest first: as it is, percent-encoded, in base64 at any place of a text."""
    raw = secret.encode("utf-8", "surrogatepass")
    found = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
    found |= {re.sub("%..", lambda m: m[0].lower(), each) for each in found}
    for offset in range(3):
        # The first and the last letter of base64 may hold bits of what stands beside the secret.
        start, end = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            piece = encode(b"\0" * offset + raw)[start:end].decode()
            if len(piece) >= SHORTEST:
                found.add(piece)
    return tuple(sorted(found - {""}, key=len, reverse=True))


def without(text: str, known: Iterable[str]) -> str:
    """A text without these secrets, in any of their forms; everything else stays as it is."""
    for secret in known:
        for form in forms(secret):
            if form in text:
                text = text.replace(form, HIDDEN)
    return text


def secrets() -> list[str]:
    """The secrets of this process, longest first."""
    found = _hidden | {value.strip() for name, value in os.environ.items() if _NAMES.search(name.upper())}
    return sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True)


def redact(text: str) -> str:
    """A text without secrets: those of this process, passwords in URLs, bearer tokens, and what looks like a key."""
    text = without(text, secrets())
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
