r"""Taking the final answer out of a response.

The order is that of how clearly an author marks an answer: `\boxed{}` (several neighbouring boxes are one list),
`<answer>` tags, `####`, "the answer is ...", the last formula or number of the last line. Text is looked at from its
end and over a bounded length, so that time is linear in the length of the response.
"""

from __future__ import annotations

import re

from factory.text.reasoning import CLOSES, OPENS
from factory.verification.notation import MAX_ANSWER, heal
from factory.verification.statements import (
    SHORT,
    TAIL,
    Extracted,
    bare,
    clean,
    denied,
    last_line,
    last_match,
    last_sentence,
    phrase,
    unit_after,
)

MAX_BOXES = 40
"""How many boxes, from the end, are looked at."""
BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?:\[[^\]\n]{0,20}\]\s*){0,2}(?=\{|[^\s{}]|\s*$)")


def boxed(part: str) -> Extracted | None:
    """The answer that the last box, or the last few neighbouring ones, hold."""
    marks = list(BOX.finditer(part))[-MAX_BOXES:]
    boxes = [box for match in marks if (box := box_at(part, match)) is not None]
    if not marks:
        return None
    final = box_at(part, marks[-1])
    if final is None or not final[2].strip(" .,~$\\") or final[2].strip().startswith(r"\dots"):
        return Extracted("", "empty")  # the last box decides, also when it holds nothing or never ends
    if denied(part[: final[0]], part[final[1] :]):
        return Extracted("", "denied")
    boxes = [box for box in boxes if box[2].strip(" .,~")]
    group = [boxes[-1]]
    for box in reversed(boxes[:-1]):
        between = part[box[1] : group[0][0]]
        if box[1] > group[0][0]:
            continue
        if len(between) > 60 or not _neighbours(between):
            break
        group.insert(0, box)
    texts = [box[2].strip() for box in group]
    if len(texts) > 1 and len(set(texts)) > 1:
        return Extracted(", ".join(texts), "boxes")
    last = group[-1]
    text = _in_formula(part[max(0, last[0] - 12) : last[0]], texts[-1], part[last[1] : last[1] + 60])
    return Extracted(_PREAMBLE.sub("", text) or text, "boxed")


_PREAMBLE = re.compile(r"^\\text\s*\{[^{}]{0,60}\b(?:answer|result)\s+is:?\s*\}\s*", re.I)
_MINUS_BEFORE = re.compile(r"(?:[$=(\[]\s*|(?:^|\s))-$|[$=]\s*-\s$")
_MORE_AFTER = re.compile(
    r"\s*((?:\\times|\\cdot|\\sqrt|\\pi|\\frac|\\dfrac|\^|/|!)(?:[^$=\n\\]|\\(?![)\]])){0,40}?)\s*[.,]?\s*(?:\$|\\\)|\\\])"
)


def _in_formula(before: str, text: str, after: str) -> str:
    r"""A box is now and then put around a part of the answer: `-\boxed{5}`, `\boxed{3}\sqrt{2}`, `\boxed{5}\%`."""
    minus = _MINUS_BEFORE.search(before)
    more = _MORE_AFTER.match(after)
    if more:
        text = f"({text}){more[1]}" if re.search(r"[-+]", text) else f"{text}{more[1]}"
    return (
        f"-({text})"
        if minus and re.search(r"[-+]", text)
        else ("-" if minus else "") + text + unit_after(after)
    )


def box_at(part: str, match: re.Match[str]) -> tuple[int, int, str] | None:
    """Begin, end and content of the box whose command `match` has found; None when it never ends."""
    begin = match.end()
    if begin >= len(part):
        return None
    if part[begin] != "{":
        return match.start(), begin + 1, part[begin]
    depth, at = 0, begin
    end = min(len(part), begin + MAX_ANSWER)
    while at < end:
        char = part[at]
        if char == "\\":
            at += 2
            continue
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return match.start(), at + 1, part[begin + 1 : at]
        at += 1
    # Never closed (a cut or careless response): the rest of its line.
    line = part[begin + 1 : end].split("\n", 1)[0]
    return (match.start(), begin + 1 + len(line), line.rstrip(" $.")) if end == len(part) else None


_REVISION = re.compile(
    r"\b(?:is|not|so|but|wait|then|thus|hence|no|instead|actually|rather|therefore|gives?|from|was|were|wrong|incorrect|correct\w*|error|mistake)\b",
    re.I,
)


def _neighbours(between: str) -> bool:
    r"""Whether the text between two boxes only joins them: "and", commas, a name before the second, short units."""
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1 ", between)
    text = re.sub(r"\\(?:quad|qquad|[\])(\[,;! ])|[$&]", " ", text).strip()
    if "\n\n" in between.strip(" ") and not re.search(r"\b(?:and|or)\b", text):
        return False
    if not re.search(r"\b(?:and|or)\b|[,;和或]", text, re.I):
        return not text
    if _REVISION.search(text):
        return False
    rest = re.sub(r"\b(?:and|or)\b|[,;和或]", " ", text, flags=re.I)
    rest = re.sub(r"[A-Za-z]\w{0,12}\s*=", " ", rest)
    return len(rest.split()) <= 4 and "." not in rest


__all__ = ["Extracted", "extract", "last_sentence", "split_reasoning"]

_THINK_END = re.compile(rf"{CLOSES}|<\|channel\|>final<\|message\|>", re.I)
_THINK_START = re.compile(OPENS, re.I)
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
