"""One parser for every dialect: reasoning apart from the answer.

Servers deliver reasoning in a field of its own (`factory.sampling.response_parser`), inline between tags, inline without
the opening tag (the chat template already wrote it), in several blocks, in gpt-oss's channels, or not at all.
Verification reads complete completions by the same table of tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"(?:\w+[:_])?(?:think|thinking|thoughts?|reasoning)"
_TAG = re.compile(
    rf"<(?i:/?{_NAME}>|\|(?:begin_of|start|end_of|end)_(?:thought|thinking)\|>)|\[(?i:/?THINK\])|\u25c1(?i:/?think\u25b7)"
)
"""What opens and closes reasoning: DeepSeek, QwQ, Seed, LongCat (`think`), Magistral, OpenThoughts, Command A, Kimi.

Every branch begins with a character in one case, so that a search runs over the text at the speed of C.
"""


def _tags(slash: str, words: str) -> str:
    """One side of the table as a pattern."""
    thought = rf"<\|(?i:(?:{words})_(?:thought|thinking)\|>)"
    return rf"<{slash}(?i:{_NAME}>)|{thought}|\[{slash}(?i:THINK\])|\u25c1{slash}(?i:think\u25b7)"


OPENS, CLOSES = _tags("", "begin_of|start"), _tags("/", "end_of|end")
_CLOSES = ("</", "[/", "\u25c1/", "<|end_")
_WRAPPER = re.compile(r"<\|(?:begin|end)_of_solution\|>|<\|(?:start|end)_response\|>", re.IGNORECASE)
_QUOTES = frozenset("`'\"\u201c\u201d")
_CHANNEL = re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>(\w+)[^<]*<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call)\|>")
_STRIPPED = re.compile(
    r"analysis(?P<reasoning>.*?)assistant(?:commentary.*?assistant)?final(?P<content>.*)", re.DOTALL
)
"""gpt-oss text whose special tokens the server left out."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A response taken apart. `open` is True when the text ended inside the reasoning."""

    reasoning: str | None
    content: str
    open: bool


def split_text(text: str, *, prefilled: bool = False, parsed: bool = False) -> Parts:
    """Take inline reasoning out of a response's text.

    Args:
        text: what the model wrote.
        prefilled: the prompt already ended with the opening tag, so the text starts inside the reasoning.
        parsed: the server took reasoning out, so a tag between quotes or backticks is part of the text.

    Returns:
        Parts. Several blocks are joined by a blank line; text between blocks belongs to the content. A closing tag
        without an opening one closes reasoning that began at the start of the text.
    """
    if "<|channel|>" in text:
        return _split_channels(text)
    if stripped := _STRIPPED.fullmatch(text.strip()):
        return Parts(stripped["reasoning"].strip() or None, stripped["content"].strip(), False)
    tags = [
        (m.start(), m.end(), m[0].lower().startswith(_CLOSES))
        for m in _TAG.finditer(text)
        if not (parsed and _quoted(text, m))
    ]
    leads = prefilled or (bool(tags) and (tags[0][2] or not text[: tags[0][0]].strip()))
    if not leads:
        return Parts(None, _unwrapped(text), False)
    inside = prefilled or tags[0][2]
    blocks: list[str] = []
    outside: list[str] = []
    position = 0
    for start, end, closes in tags:
        piece = text[position:start]
        if closes and not inside:
            # A second closing tag: what stood before it was still reasoning (R1 closes twice now and then).
            blocks.extend(outside)
            outside = []
            blocks.append(piece)
        else:
            (blocks if inside else outside).append(piece)
        inside = not closes
        position = end
    (blocks if inside else outside).append(text[position:])
    return Parts(_joined(blocks) or None, _joined(map(_unwrapped, outside)), inside)


def split_response(reasoning_field: str | None, text: str, *, prefilled: bool = False) -> Parts:
    """Take a reply apart whose reasoning may have come in a field of its own, inline, or not at all."""
    if reasoning_field and reasoning_field.strip():
        inner = split_text(text, parsed=True)
        # Some servers send the reasoning in its field and repeat an empty or a second block inline.
        return Parts(
            _joined([reasoning_field, inner.reasoning or ""]), inner.content, inner.open or not inner.content
        )
    return split_text(text, prefilled=prefilled)


def _split_channels(text: str) -> Parts:
    """gpt-oss harmony text that a server did not parse: channel `analysis` is reasoning, `final` the answer."""
    reasoning: list[str] = []
    content: list[str] = []
    last = ""
    marks = list(_CHANNEL.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : after.start() if after else len(text)]
        last = mark[1]
        (content if last == "final" else reasoning).append(_CHANNEL_END.sub("", body))
    return Parts(_joined(reasoning) or None, _joined(content), last != "final")


def _quoted(text: str, tag: re.Match[str]) -> bool:
    before, after = text[tag.start() - 1 : tag.start()], text[tag.end() : tag.end() + 1]
    return before in _QUOTES and after in _QUOTES


def _unwrapped(text: str) -> str:
    return _WRAPPER.sub("", text).strip()


def _joined(pieces: list[str] | map[str]) -> str:
    return "\n\n".join(filter(None, (piece.strip() for piece in pieces)))
