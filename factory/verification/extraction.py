r"""Taking the final answer out of a response.

The order is that of how clearly an author marks an answer: `\boxed{}` (several neighbouring boxes are one list),
`<answer>` tags, `####`, "the answer is ...", the last formula or number of the last line. Text is looked at from its
end and over a bounded length, so that time is linear in the length of the response.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from factory.verification.formulas import Formula, formulas, outside
from factory.verification.notation import MAX_ANSWER, heal
from factory.verification.prose import number_in, starts_as_prose

TAIL = 20_000
"""How many characters at the end of an answer part are searched."""
MAX_BOXES = 40
"""How many boxes, from the end, are looked at."""
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


_FINAL = re.compile(r"\bfinal\s+answer\s*(?:\*\*)?\s*(?:is|:)|\banswer\s+is\b|最终答案|答案[是为]", re.I)


def _later(part: str, marked: Extracted) -> Extracted | None:
    """A "final answer is" after the last box: whoever adds one has changed or restated the answer."""
    box = _last_match(_BOX, part) if marked.rule in ("boxed", "boxes") else None
    whole = _box_at(part, box) if box else None
    tail = part[max(whole[1] if whole else 0, part.rfind("</answer>"), part.rfind("####")) :] if box else ""
    found = _last_match(_FINAL, tail)
    return None if found is None else _phrase(tail[found.start() :])


def _last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


def last_sentence(part: str) -> str | None:
    """The last sentence of an answer part that is no courtesy, for answers in words."""
    for line in reversed([line for line in part[-TAIL:].split("\n") if line.strip(" *_-#>|\t`")][-4:]):
        for sentence in reversed(_split_sentences(line)):
            if sentence.strip(" *_.") and not _COURTESY.match(sentence):
                return sentence.strip()
    return None


def extract(part: str) -> Extracted | None:
    """The final answer in the answer part of a response, or None when it holds none."""
    part = _WRAPPERS.sub(" ", heal(part[-TAIL:])).strip()
    if not part:
        return None
    for rule in (_boxed, _tagged, _hashes):
        found = rule(part)
        if found is not None:
            return _later(part, found) or found
    return _bare(part) or _phrase(part) or _last_line(part)


_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{|[^\s{}])")


def _boxed(part: str) -> Extracted | None:
    marks = list(_BOX.finditer(part))[-MAX_BOXES:]
    boxes = [box for match in marks if (box := _box_at(part, match)) is not None]
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
        else ("-" if minus else "") + text + _unit_after(after)
    )


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
    # Never closed (a cut or careless response): the rest of its line.
    line = part[begin + 1 : end].split("\n", 1)[0]
    return (match.start(), begin + 1 + len(line), line.rstrip(" $.")) if end == len(part) else None


_REVISION = re.compile(
    r"\b(?:is|not|so|but|wait|then|thus|hence|no|instead|actually|rather|therefore|gives?|from)\b", re.I
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


_IS = r"\s*(?:\*\*|__)?\s*(?:is|are|=|would\s+be|should\s+be|must\s+be|:|：)+"
_ANNOUNCED = r"(?:^[ \t#>*_-]*|[.!?,;:)]\s+|\b(?:the|my|our|so|correct|numerical|required|desired)\s+)"
_STRONG = re.compile(
    rf"\bfinal\s+(?:answer|result){_IS}|{_ANNOUNCED}answer(?:\s+to\s+(?:the|this)\s+(?:question|problem))?{_IS}"
    r"|\b(?:answer|ans)\s*(?=\$|\\[(\[])|^[ \t#*]*(?:final\s+)?(?:answer|result)[ \t*:：]*$|^[ \t*]*a\s*:"
    r"|(?:最终答案|所以答案|答案)\s*(?:应?该?[是为选]|等于|=|:|：)*",
    re.I | re.M,
)
_WEAK = re.compile(
    rf"\b(?:result|value|choice|option|solution(?:\s+set)?){_IS}|(?:结果|故选|应选|选择|正确选项)\s*(?:应?该?[是为选]|等于|=|:|：)*",
    re.I,
)
STRONG_LINES, WEAK_LINES = 12, 2
"""How near to the end of a response a phrase has to stand to announce its answer."""


def _phrase(part: str) -> Extracted | None:
    last = _last_match(_STRONG, part)
    if last is None or part.count("\n", last.end()) > 2 * STRONG_LINES:
        last = _last_match(_WEAK, part)
        if last is None or len(part[last.end() :].strip().split("\n")) > WEAK_LINES:
            return None
    rest = part[last.end() :].lstrip(" \t*_:：=")
    rest = (
        rest.lstrip("\n ")
        if not rest.split("\n", 1)[0].strip(" *_$") or rest.startswith(("\\[", "$$"))
        else rest
    )
    bold = "**" if part[: last.end()].rstrip(" ").endswith("**") and "**" in rest.split("\n", 1)[0] else ""
    text = _first_statement(bold + rest)
    if not text or _UNKNOWN.search(text):
        return None
    found = _pick(_CONTRAST.sub(r"\1", text))
    return Extracted(found, "phrase") if found else None


_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bvs)(?<!\be\.g)(?<!\bi\.e)[.!?。！？](?=\s|$|\*)"
)


_CONTRAST = re.compile(r"^(.*[\d}$)\]%])\s*,?\s+(?:and not|not|rather than|instead of)\s.*$")
_UNKNOWN = re.compile(
    r"\b(?:not sure|unsure|(?:do not|don't|cannot|can't|could not|couldn't) (?:know|say|tell|determine|decide|find)"
    r"|unknown|no idea|either)\b",
    re.I,
)
"""What says that the numbers around it are no answer."""


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


def _pick(statement: str) -> str | None:
    """The answer within one statement: all of it when it is no prose, else what follows its verb, its formula or number."""
    text = _clean(statement)
    if not text:
        return None
    spans = formulas(text)
    if spans and spans[-1].display and _is_prose(text[spans[-1].end :]) and number_in(text[spans[-1].end :]):
        return number_in(text[spans[-1].end :])
    bare = outside(text, spans)
    if not _is_prose(bare) and not (not spans and starts_as_prose(bare)):
        return text
    bold = _BOLD.findall(statement)
    if bold and any(char.isdigit() for char in bold[-1]) and len(bold[-1]) < 60:
        return _clean(bold[-1])
    number = number_in(bare)
    if not spans:
        return number if number else (text if len(text) <= SHORT else None)
    last = _last_match(_VERB, bare)
    if number and last and spans[-1].end <= last.end() and bare.find(number, last.start()) >= 0:
        return number
    later = [span for span in spans if last and span.start >= last.end()]
    if last and later and _follows(bare[last.end() :], later, later[0].start - last.end()):
        return text[last.end() :]
    group = [spans[-1]]
    for span in reversed(spans[:-1]):
        if not _JOINERS.fullmatch(text[span.end : group[0].start]):
            break
        group.insert(0, span)
    return ", ".join(span.inner for span in group) + _unit_after(text[group[-1].end : group[-1].end + 24])


_VERB = re.compile(r"\b(?:is|are|equals|be|becomes)\b\s*:?\s*|=\s*", re.I)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")


def _follows(tail: str, spans: list[Formula], gap: int) -> bool:
    """Whether what follows the verb is an answer with formulas and no prose before them."""
    return bool(spans) and not _is_prose(tail) and not _WORD.search(tail[:gap])


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
    if (
        len(part) <= SHORT
        and "\n" not in part
        and "\\" in part
        and "$" not in part
        and not re.search(r"\\[\[(]", part)
    ):
        return Extracted(
            _clean(part), "whole"
        )  # LaTeX without delimiters: the text is a formula as it stands
    if len(part) > SHORT or "\n\n" in part or _is_prose(outside(part, formulas(part))):
        return None
    if not formulas(part) and starts_as_prose(part):
        return None
    if "\n" in part and not re.search(r"\\begin|^\s*(?:\\\[|\$\$)", part):
        return None
    if _STRONG.search(part) or _WEAK.search(part):
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
        sentences = [s for s in _split_sentences(line) if s.strip(" *_") and not _COURTESY.match(s)]
        for sentence in reversed(sentences[-3:]):
            found = _number_or_formula(sentence)
            if found:
                return Extracted(found, "last_line")
    return None


_COURTESY = re.compile(
    r"\W*(?:let me know|feel free|i hope|hope this|would you like|please let|if you (?:have|would|want)|this matches)",
    re.I,
)


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
    if _UNKNOWN.search(text):
        return None
    spans = formulas(text)
    if spans or _BOLD.search(sentence):
        found = _pick(sentence)
        return found if found and (spans or any(char.isdigit() for char in found)) else None
    return number_in(text)


def _clean(text: str) -> str:
    """Drop Markdown emphasis, quotes and final punctuation around an answer."""
    text = text.strip().strip("`").strip()
    text = text.replace('\\"', '"').strip('"').strip()
    text = re.sub(r"^(?:\*\*|__|>|-\s(?=\D))+|(?:\*\*|__)+$", "", text).strip()
    text = text.replace("**", "")
    return re.sub(r"(?:(?<!\\)[.。,;:]|\s|\\[,;:! ])+$", "", text).strip()
