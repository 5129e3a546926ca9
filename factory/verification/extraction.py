r"""Taking the final answer out of a response.

The order is that of how clearly an author marks an answer: `\boxed{}` (several neighbouring boxes are one list),
`<answer>` tags, `####`, "the answer is ...", the last formula or number of the last line. Text is looked at from its
end and over a bounded length, so that time is linear in the length of the response.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from factory.verification.formulas import formulas, outside
from factory.verification.notation import MAX_ANSWER, heal

TAIL = 20_000
"""How many characters at the end of an answer part are searched."""
SHORT = 400
"""An answer part of one line and at most this length may be the answer itself."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """An answer as it stands in the response, and the rule that found it.

    `whole` is the text around it when the answer was cut out of prose, for a second look.
    """

    text: str
    rule: str


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
    last = _last_match(_THINK_END, response)
    if last is not None:
        reasoning = _THINK_START.sub("", response[: last.start()], count=1)
        return reasoning.strip(), response[last.end() :].strip()
    start = _THINK_START.search(response)
    if start is not None and not response[: start.start()].strip():
        return response[start.end() :].strip(), None
    return None, response


def _last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


def extract(part: str) -> Extracted | None:
    """The final answer in the answer part of a response, or None when it holds none."""
    part = _WRAPPERS.sub(" ", heal(part[-TAIL:])).strip()
    if not part:
        return None
    for rule in (_boxed, _tagged, _hashes):
        found = rule(part)
        if found is not None:
            return found
    return _bare(part) or _phrase(part) or _last_line(part)


_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{|[^\s{}])")


def _boxed(part: str) -> Extracted | None:
    boxes = [box for match in _BOX.finditer(part) if (box := _box_at(part, match)) is not None]
    boxes = [box for box in boxes if box[2].strip(" .,~")]
    if not boxes:
        return None
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
    after = part[group[-1][1] : group[-1][1] + 24]
    return Extracted(texts[-1] + _unit_after(after), "boxed")


def _box_at(part: str, match: re.Match[str]) -> tuple[int, int, str] | None:
    begin = match.end()
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
    return None


def _neighbours(between: str) -> bool:
    r"""Whether the text between two boxes only joins them: "and", commas, a name before the second, short units."""
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1 ", between)
    text = re.sub(r"\\(?:quad|qquad|[\])(\[,;! ])|[$&]", " ", text).strip()
    if "\n\n" in between.strip(" ") and not re.search(r"\b(?:and|or)\b", text):
        return False
    if not re.search(r"\b(?:and|or)\b|[,;和或]", text, re.I):
        return not text
    rest = re.sub(r"\b(?:and|or)\b|[,;和或]", " ", text, flags=re.I)
    rest = re.sub(r"[A-Za-z]\w{0,12}\s*=", " ", rest)
    return len(rest.split()) <= 2 and "." not in rest


_PERCENT_AFTER = re.compile(r"\s*(?:\\\)|\\\]|\$)?\s*(?:\\?%|pct\b|percent(?:age)?\b)", re.I)


def _unit_after(after: str) -> str:
    return "%" if _PERCENT_AFTER.match(after) else ""


_TAG = re.compile(r"<answer>", re.I)


def _tagged(part: str) -> Extracted | None:
    lower = part.lower()
    start = lower.rfind("<answer>")
    if start < 0:
        return None
    end = lower.find("</answer>", start)
    inner = part[start + 8 : end if end >= 0 else len(part)].strip()
    return _inner(inner, "tag") if inner else None


def _inner(inner: str, rule: str) -> Extracted | None:
    """An answer within a marked region: itself when short, else what a second look finds there."""
    if len(inner) <= SHORT and "\n" not in inner:
        found = _phrase(inner)
        return Extracted(found.text if found else _clean(inner), rule)
    found = _phrase(inner) or _last_line(inner)
    return Extracted(found.text, rule) if found else None


def _hashes(part: str) -> Extracted | None:
    at = part.rfind("####")
    if at < 0:
        return None
    line = part[at + 4 :].strip().split("\n", 1)[0]
    return _inner(line, "hashes") if line.strip() else None


_PHRASES = re.compile(
    r"(?:\bfinal\s+(?:answer|result)|\b(?:the\s+)?(?:correct\s+)?(?:answer|result|solution\s+set|value|choice|option)"
    r"(?:\s+to\s+(?:the|this)\s+(?:question|problem))?)\s*(?:\*\*|__)?\s*(?:is|are|=|would\s+be|should\s+be|must\s+be|:|：)+"
    r"|^\s*(?:\*\*)?\s*(?:final\s+)?(?:answer|ans|a|solution)\s*(?:\*\*)?\s*[:：]"
    r"|(?:最终答案|答案|结果|所以答案|故选|应选|选择|正确选项)\s*(?:应?该?[是为选]|等于|=|:|：)*",
    re.I | re.M,
)
_STARS = re.compile(r"^[\s*_:：>#-]*?(?=[^\s*_:：>#])|[\s*_]+$")


def _phrase(part: str) -> Extracted | None:
    last = _last_match(_PHRASES, part)
    if last is None:
        return None
    rest = part[last.end() :].lstrip(" \t*_:：=")
    rest = (
        rest.lstrip("\n ")
        if not rest.split("\n", 1)[0].strip(" *_$") or rest.startswith(("\\[", "$$"))
        else rest
    )
    text = _first_statement(rest)
    if not text:
        return None
    found = _pick(text)
    return Extracted(found, "phrase") if found else None


_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|$|\*)")


def _first_statement(rest: str) -> str:
    """What follows "the answer is", up to the end of its sentence or of its display formula."""
    rest = rest[:MAX_ANSWER]
    spans = formulas(rest)
    if spans and spans[0].start == 0 and spans[0].display:
        end = spans[0].end
        tail = rest[end:].split("\n", 1)[0]
        stop = _SENTENCE_END.search(tail)
        return rest[:end] + (tail[: stop.start()] if stop else tail)
    line = rest.split("\n", 1)[0]
    return _split_sentences(line)[0]


_JOINERS = re.compile(r"[\s,;.]*(?:and|or|,|;|和|或|\\text\{\s*(?:and|or)\s*\})?[\s,;.]*", re.I)
_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?\s?[$€£¥]?\s?(?:\d{1,3}(?:[,  ]\d{3})+(?:\.\d+)?|\d+\s+\d+/\d+|\d+/\d+|\d*[.,]?\d+(?:[eE][-+]?\d+)?)"
    r"(?:\s?(?:%|percent\b|pct\b|°|:\d\d\b))?"
)


def _pick(statement: str) -> str | None:
    """The answer within one statement: all of it when it is short and no prose, else its formulas, else its last number."""
    text = _clean(statement)
    if not text:
        return None
    spans = formulas(text)
    if spans:
        if not _is_prose(outside(text, spans)):
            return text
        group = [spans[-1]]
        for span in reversed(spans[:-1]):
            if not _JOINERS.fullmatch(text[span.end : group[0].start]):
                break
            group.insert(0, span)
        return ", ".join(span.inner for span in group) + _unit_after(text[group[-1].end : group[-1].end + 24])
    if not _is_prose(text):
        return text
    numbers = list(_NUMBER.finditer(text))
    return numbers[-1][0].strip() if numbers else (text if len(text) <= SHORT else None)


_WORD = re.compile(r"[^\W\d_]{2,}")


_FILLER = re.compile(
    r"\b(?:is|are|was|were|it|its|so|thus|hence|therefore|then|we|get|gets|equals|has|have|there|will|would|can)\b",
    re.I,
)


def _is_prose(text: str) -> bool:
    """Whether words carry the statement, rather than units and function names."""
    bare = re.sub(r"\\[A-Za-z]+", " ", text)
    return len(_WORD.findall(bare)) > 3 or bool(_FILLER.search(bare))


def _bare(part: str) -> Extracted | None:
    """A short answer part without prose is the answer itself."""
    if len(part) <= SHORT and "\n" not in part and "\\" in part and "$" not in part and not re.search(r"\\[\[(]", part):
        return Extracted(_clean(part), "whole")  # LaTeX without delimiters: the text is a formula as it stands
    if len(part) > SHORT or "\n\n" in part or _is_prose(outside(part, formulas(part))):
        return None
    if "\n" in part and not re.search(r"\\begin|^\s*(?:\\\[|\$\$)", part):
        return None
    if _PHRASES.search(part):
        return None
    return Extracted(_clean(part), "whole") if _clean(part) else None


def _last_line(part: str) -> Extracted | None:
    """The last formula or number of the last lines that hold one."""
    display = part.rstrip(" .*\n")
    if display.endswith(("\\]", "$$")):
        spans = formulas(display[-MAX_ANSWER:])
        if spans:
            return Extracted(spans[-1].inner, "last_formula")
    lines = [line for line in part.split("\n") if line.strip(" *_-#>|\t`")]
    for line in reversed(lines[-6:]):
        sentences = [s for s in _split_sentences(line) if s.strip(" *_")]
        for sentence in reversed(sentences[-3:]):
            found = _number_or_formula(sentence)
            if found:
                return Extracted(found, "last_line")
    return None


def _split_sentences(line: str) -> list[str]:
    spans = formulas(line)
    pieces, begin, at = [], 0, 0
    for stop in _SENTENCE_END.finditer(line):
        while at < len(spans) and spans[at].end <= stop.start():
            at += 1
        if at == len(spans) or spans[at].start > stop.start():
            pieces.append(line[begin : stop.start()])
            begin = stop.end()
    return [*pieces, line[begin:]] if line[begin:].strip() or not pieces else pieces


def _number_or_formula(sentence: str) -> str | None:
    text = _clean(sentence)
    spans = formulas(text)
    bare = outside(text, spans)
    numbers = list(_NUMBER.finditer(bare))
    if spans and (not numbers or spans[-1].start > numbers[-1].start()):
        return _pick(text) if _is_prose(bare) else text
    return numbers[-1][0].strip() if numbers else None


def _clean(text: str) -> str:
    """Drop Markdown emphasis, quotes and final punctuation around an answer."""
    text = text.strip().strip("`").strip()
    text = re.sub(r"^(?:\*\*|__|>|-\s(?=\D))+|(?:\*\*|__)+$", "", text).strip()
    text = text.replace("**", "")
    return re.sub(r"(?:(?<!\\)[.。,;:]|\s|\\[,;:! ])+$", "", text).strip()
