r"""Taking the final answer out of a response.

The order is that of how clearly an author marks an answer: `\boxed{}` (several neighbouring boxes are one list),
`<answer>` tags, `####`, "the answer is ...", the last formula or number of the last line. Text is looked at from its
end and over a bounded length, so that time is linear in the length of the response.
"""

from __future__ import annotations

import re

from factory.verification.boxes import BOX, box_at, boxed
from factory.verification.notation import heal
from factory.verification.statements import (
    SHORT,
    TAIL,
    Extracted,
    bare,
    clean,
    last_line,
    last_match,
    last_sentence,
    phrase,
)

__all__ = ["Extracted", "extract", "last_sentence", "split_reasoning"]

_THINK_END = re.compile(
    r"</(?:think|thinking|thought|reasoning)>|<\|end_of_thought\|>|<\|channel\|>final<\|message\|>", re.I
)
_THINK_START = re.compile(r"<(?:think|thinking|thought|reasoning)>|<\|begin_of_thought\|>", re.I)
_WRAPPERS = re.compile(
    r"</?(?:output|solution|response)>|<\|(?:begin|end)_of_solution\|>|<\|(?:im_end|endoftext|eot_id|end)\|>",
    re.I,
)


def split_reasoning(response: str) -> tuple[str | None, str | None]:
    """Split a whole response into its reasoning and its answer part.

    Returns:
        (reasoning, answer part). Reasoning is None when there are no think tags; the answer part is None when a
        reasoning block was opened and never closed.
    """
    last = last_match(_THINK_END, response)
    if last is not None:
        reasoning = _THINK_START.sub("", response[: last.start()], count=1)
        return reasoning.strip(), response[last.end() :].strip()
    start = _THINK_START.search(response)
    if start is not None and not response[: start.start()].strip():
        return response[start.end() :].strip(), None
    return None, response


_FINAL = re.compile(r"\bfinal\s+answer\s*(?:\*\*)?\s*(?:is|:)|\banswer\s+is\b|最终答案|答案[是为]", re.I)


def _later(part: str, marked: Extracted) -> Extracted | None:
    """A "final answer is" after the last box: whoever adds one has changed or restated the answer."""
    box = last_match(BOX, part) if marked.rule in ("boxed", "boxes") else None
    whole = box_at(part, box) if box else None
    tail = part[max(whole[1] if whole else 0, part.rfind("</answer>"), part.rfind("####")) :] if box else ""
    found = last_match(_FINAL, tail)
    return None if found is None else phrase(tail[found.start() :])


def extract(part: str) -> Extracted | None:
    """The final answer in the answer part of a response, or None when it holds none."""
    part = _WRAPPERS.sub(" ", heal(part[-TAIL:])).strip()
    if not part:
        return None
    for rule in (boxed, _tagged, _hashes):
        found = rule(part)
        if found is not None:
            return _later(part, found) or found
    return bare(part) or phrase(part) or last_line(part)


_TAG = re.compile(r"<answer>", re.I)


def _tagged(part: str) -> Extracted | None:
    lower = part.lower()
    start = lower.rfind("<answer>")
    if start < 0:
        return None
    end = lower.find("</answer>", start)
    inner = part[start + 8 : end if end >= 0 else len(part)].strip()
    return _inner(inner, "tag") if inner else Extracted("", "empty")


def _inner(inner: str, rule: str) -> Extracted | None:
    """An answer within a marked region: itself when short, else what a second look finds there."""
    if len(inner) <= SHORT and "\n" not in inner:
        found = phrase(inner)
        return found if found and not found.text else Extracted(found.text if found else clean(inner), rule)
    found = phrase(inner) or last_line(inner)
    return Extracted(found.text, rule if found.text else found.rule) if found else None


def _hashes(part: str) -> Extracted | None:
    at = part.rfind("####")
    if at < 0:
        return None
    line = part[at + 4 :].strip().split("\n", 1)[0]
    return _inner(line, "hashes") if line.strip() else Extracted("", "empty")
