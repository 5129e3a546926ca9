"""One splitter for every dialect: reasoning apart from the answer, and how the response ended.

Servers deliver reasoning as `reasoning_content` (DeepSeek, vLLM, SGLang), as `reasoning` (OpenRouter, vLLM since
0.12), inline in `<think>...</think>`, inline without the opening tag (the chat template already wrote it), in several
blocks, in gpt-oss's channels, or not at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas import ResponseStatus

_TAG = re.compile(r"<(?P<close>/?)(?:think|thinking|thought)>|\[(?P<close2>/?)THINK\]", re.IGNORECASE)
_CHANNEL = re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>(\w+)[^<]*<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call)\|>")


@dataclass(frozen=True, slots=True)
class Parts:
    """A response taken apart. `open` is True when the text ended inside the reasoning."""

    reasoning: str | None
    content: str
    open: bool


def split_text(text: str, *, prefilled: bool = False) -> Parts:
    """Take inline reasoning out of a response's text.

    Args:
        text: what the model wrote.
        prefilled: the prompt already ended with the opening tag, so the text starts inside the reasoning.

    Returns:
        Parts. Several blocks are joined by a blank line; text between blocks belongs to the content. A closing tag
        without an opening one closes reasoning that began at the start of the text.
    """
    if "<|channel|>" in text:
        return _split_channels(text)
    tags = [(m.start(), m.end(), bool(m["close"] or m["close2"])) for m in _TAG.finditer(text)]
    leads = prefilled or (bool(tags) and (tags[0][2] or not text[: tags[0][0]].strip()))
    if not leads:
        return Parts(None, text.strip(), False)
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
    reasoning = "\n\n".join(filter(None, (b.strip() for b in blocks)))
    content = "\n\n".join(filter(None, (o.strip() for o in outside)))
    return Parts(reasoning or None, content, inside)


def _split_channels(text: str) -> Parts:
    """gpt-oss harmony text that a server did not parse: channel `analysis` is reasoning, `final` the answer."""
    reasoning: list[str] = []
    content: list[str] = []
    last = ""
    marks = list(_CHANNEL.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : after.start() if after else len(text)]
        last = mark[1]
        (content if last == "final" else reasoning).append(_CHANNEL_END.sub("", body).strip())
    return Parts(
        "\n\n".join(filter(None, reasoning)) or None, "\n\n".join(filter(None, content)), last != "final"
    )


def split_response(reasoning_field: str | None, text: str, *, prefilled: bool = False) -> Parts:
    """Take a reply apart whose reasoning may have come in a field of its own, inline, or not at all."""
    if reasoning_field and reasoning_field.strip():
        inner = split_text(text)
        # Some servers send the reasoning in its field and repeat an empty or a second block inline.
        both = "\n\n".join(filter(None, (reasoning_field.strip(), inner.reasoning)))
        return Parts(both, inner.content, inner.open or not inner.content)
    return split_text(text, prefilled=prefilled)


def status_of(parts: Parts, finish_reason: str | None, *, refused: bool = False) -> ResponseStatus:
    """How a response ended, from its parts and what the server said.

    `finish_reason` None means that the stream ended without saying why; that counts as cut.
    """
    if refused or finish_reason == "content_filter":
        return ResponseStatus.REFUSED
    if finish_reason in ("length", None):
        if parts.open and (parts.reasoning or not parts.content):
            return ResponseStatus.CUT_IN_REASONING if parts.reasoning else ResponseStatus.EMPTY
        if parts.content:
            return ResponseStatus.CUT_IN_ANSWER
        return ResponseStatus.CUT_IN_REASONING if parts.reasoning else ResponseStatus.EMPTY
    if not parts.content:
        return ResponseStatus.EMPTY
    return ResponseStatus.COMPLETE if parts.reasoning else ResponseStatus.NO_REASONING
