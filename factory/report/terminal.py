"""Text of models and sources made safe for a terminal."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""One line without control characters: an escape sequence in a trace must not steer the reader's terminal.

    Control and format characters (Unicode categories Cc, Cf, Cs, Co, Zl, Zp) become `\xNN` or `\uNNNN`; line breaks and
    tabs become spaces. Direction overrides are format characters, so text cannot be shown in a false order either.
    """
    shown = []
    for character in text:
        if character in "\n\r\t":
            shown.append(" ")
        elif unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            shown.append(f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}")
        else:
            shown.append(character)
    return "".join(shown)
