"""The answer that a text states in words: after "the answer is", in its last line, or by being nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass

from factory.verification.notation import MAX_ANSWER, Formula, formulas, outside

_TOKEN = r"(?:\d++\(\d++/\d++\)|\d[\d,]*+(?:\.\d++)?|\.\d++|√\s?\d++|√\([^()]{1,40}\)|[π∞](?![A-Za-z])|(?<=\d)i(?![A-Za-z])|(?<=[√\d)])π|[¼½¾⅓⅔])"
_RUN = re.compile(
    rf"(?<![^\W\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af])(?<!\.)[-+−–]?\s?(?:[$€£¥]\s?-?)?(?:{_TOKEN})(?:\s?[-+−–/×·*^]\s?(?:{_TOKEN})|(?=[√πi¼½¾⅓⅔])(?:{_TOKEN}))*+"
    r"(?:\s?(?:%|percent\b|pct\b|°|:\d\d\b(?:\s?[ap]\.?m\b)?))?"
)
_CUE = re.compile(
    r"(?:\btotal\s+of|\bsum\s+of|\bequals?|\b(?:equal|equivalent)\s+to|\bis|\bare|\bwas|\bwere|\bbe|\bit'?s|\bgets?|\bmakes|\bapproximately|\babout|\bonly|=|≈|:)"
    r"\s*(?:a\s+total\s+of|approximately|about|only|equal\s+to|exactly|a|an)?\s*[({*]*$",
    re.I,
)
_CIRCUMSTANCE = re.compile(
    r"(?:\b(?:in|after|for|over|during|within|of|with|per|every|each|from|by|at|on|than|until|before|among|between|all|the"
    r"|these|those|first|last|other)(?:\s+(?:the|all|a|an|those|these|first|last|next|another|about|every))*)\s*[$]?$",
    re.I,
)


_NEGATED = re.compile(
    r"(?:\bnot|n't|\bnever|\bcannot|\banything but|\bother than|\bnicht|\bn'est pas|\bno es|(?<!\w)не|≠|不是|不等于|不可能是|不会是)"
    r"\s*(?:(?:be|equal|to|exactly|simply|just)\s+)*$",
    re.I,
)
_NEGATED_AFTER = re.compile(
    r"\s*(?:(?:is|was|are)\s*(?:n't|not)\b|can(?:not|'t)\s+be\b|(?:is|was)\s+(?:wrong|incorrect|false)|不是|不对|是错)",
    re.I,
)
MAX_SENTENCE = 1_000
"""How much of a sentence's end is looked at."""
_COMPOUND = re.compile(r"-[A-Za-z]{2,}|(?:st|nd|rd|th)\b(?=\s+(?:time|day|week|month|year|grade))")


def number_in(sentence: str) -> str | None:
    """The number (or plain numeric expression) that a sentence without formulas states, or None."""
    sentence = sentence[-MAX_SENTENCE:]
    runs = [run for run in _RUN.finditer(sentence) if any(c.isdigit() or c in "π∞√¼½¾⅓⅔" for c in run[0])]
    if not runs:
        return None
    runs = [
        run
        for run in runs
        if not _NEGATED.search(sentence[max(0, run.start() - 30) : run.start()])
        and not _NEGATED_AFTER.match(sentence, run.end())
    ]
    if not runs:
        return None
    runs = [run for run in runs if not _COMPOUND.match(sentence, run.end())] or runs
    equals = max(sentence.rfind("="), sentence.rfind("≈"))
    after = [run for run in runs if run.start() > equals]
    if equals >= 0 and after:
        return _text(after[0])
    cued = [run for run in runs if _CUE.search(sentence[max(0, run.start() - 40) : run.start()])]
    if cued:
        return _text(cued[-1])
    stated = [
        run for run in runs if not _CIRCUMSTANCE.search(sentence[max(0, run.start() - 40) : run.start()])
    ]
    amounts = [run for run in stated if run[0].lstrip("-+– ")[0] in "$€£¥"]
    return _text((amounts if len(amounts) == 1 else stated or runs)[0])


def _text(run: re.Match[str]) -> str:
    return run[0].strip().rstrip(",")


_LEAD = re.compile(r"\W*([^\W\d_]{2,})")
_FUNCTIONS = frozenset(
    ["sin", "cos", "tan", "log", "ln", "sqrt", "pi", "exp", "max", "min", "approximately", "about"]
)


def starts_as_prose(text: str) -> bool:
    """Whether a text without formulas is a sentence around a number, rather than a labelled or bare answer."""
    lead = _LEAD.match(text)
    if (
        "\\" in text
        or lead is None
        or lead[1].lower() in _FUNCTIONS
        or not any(char.isdigit() for char in text)
    ):
        return False
    return ":" not in text and "=" not in text


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


MARKED = ("boxed", "boxes", "tag", "hashes")
"""Rules of an answer that its author has marked."""
NOTHING = ("empty", "denied")
"""Rules of an `Extracted` without text: the mark that decides is empty, or what it marks is denied or taken back."""
_NOT = r"(?:\bnot|n[o']t|\bcannot|\bnever|\bneither|\bnicht|\bpas|\bno es|(?<!\w)не|≠|不|并非|没有|\\neq?)"
_DENIED = re.compile(
    rf"[\s$*\\(]*(?:(?:certainly|definitely|clearly|surely|probably|obviously)\s+)?(?:{_NOT}(?![A-Za-z])|anything but|(?:less|more|greater|fewer|smaller|larger|other|higher|lower) than"
    r"|at (?:least|most)\b|between\b|different from|unlikely|wrong\b|incorrect\b|unclear)",
    re.I,
)
_DENIED_BEFORE = re.compile(
    rf"{_NOT}\s+(?:(?:be|equal(?:\s+to)?|simply|just|actually|really)\s+)*[\s$*\\(\[:]*$|不(?:可能|会)?是\s*[$\\(]*$|\b(?:false|wrong|untrue|not true)\s+that\s+(?:\w+\s+){0, 4}(?:is|equals|=)?[\s$*\\(]*$",
    re.I,
)
_TAKEN_BACK = re.compile(
    r"\W*(?:is|was)\s+(?:\w+\s+)?(?:wrong|incorrect|false|not\s)|(?:^|.{0,20}?[.!?,;]|.{0,12}?\bbut)\s*(?:wait|no|hmm|but|actually)?[,.]?\s*(?:this|that|it|which|the answer)"
    r"\s*(?:'s|is|was|cannot be|can't be)\s+(?:\w+\s+)?(?:wrong|incorrect|false|invalid|impossible|not\s+(?:right|correct|possible|valid|true|the answer|it\b))",
    re.I,
)


def denied(before: str, after: str) -> bool:
    """Whether the text around a mark takes its answer back: "cannot be", "is wrong", a question mark and "No"."""
    if _DENIED_BEFORE.search(before[-60:]):
        return True
    return bool(
        _TAKEN_BACK.match(after[:90])
        or re.match(r"[\s$*\\)\]}]*\?\W*(?:no\b|wrong|incorrect|$)", after[:40], re.I)
    )


def last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match of a pattern in a text."""
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


_PERCENT_AFTER = re.compile(r"\s*(?:\\\)|\\\]|\$)?\s*(?:\\?%|pct\b|percent(?:age)?\b)", re.I)


def unit_after(after: str) -> str:
    """A percent sign that follows an answer, else nothing."""
    return "%" if _PERCENT_AFTER.match(after) else ""


def last_sentence(part: str) -> str | None:
    """The last sentence of an answer part that is no courtesy, for answers in words."""
    for line in reversed([line for line in part[-TAIL:].split("\n") if line.strip(" *_-#>|\t`")][-4:]):
        for sentence in reversed(_split_sentences(line)):
            if sentence.strip(" *_.") and not _COURTESY.match(sentence):
                return sentence.strip()
    return None


_IS = r"\s*(?:\*\*|__)?\s*(?:is|are|=|would\s+be|should\s+be|must\s+be|:|：)+"
_ANNOUNCED = r"(?:^[ \t#>*_-]*|[.!?,;:)]\s+|(?<!each )(?<!every )(?<!per )\b(?:the|my|our|so|correct|numerical|required|desired)\s+)"
_SCORING = r"(?!.{0,60}\b(?:incorrect|wrong|un)[ -]?answer)"
"""Not "Correct answer = 5 points, incorrect answer = -2 points": a rule of the game, as is "each correct answer is"."""
_STRONG = re.compile(
    rf"\bfinal\s+(?:answer|result){_IS}|{_ANNOUNCED}answer(?:\s+to\s+(?:the|this)\s+(?:question|problem))?{_IS}{_SCORING}"
    r"|\b(?:answer|ans)\s*(?=\$|\\[(\[]|(?:can(?:not|'t)|could\s?n[o']t|is\s?n[o']t|must not|won't)\b)|^[ \t#*]*(?:final\s+)?(?:answer|result)[ \t*:：]*$|^[ \t*]*a\s*:|^\s*答\s*[:：]"
    r"|(?:最终答案|所以答案|答案)\s*(?:应?该?[是为选]|等于|=|:|：)*",
    re.I | re.M,
)
_WEAK = re.compile(
    rf"\b(?:result|value|choice|option|solution(?:\s+set)?){_IS}|(?:结果|故选|应选|选择|正确选项)\s*(?:应?该?[是为选]|等于|=|:|：)*",
    re.I,
)
STRONG_LINES, WEAK_LINES = 12, 2
"""How near to the end of a response a phrase has to stand to announce its answer."""


def phrase(part: str) -> Extracted | None:
    """What follows the last "the answer is" near the end, or a weaker announcement in the last lines."""
    last = last_match(_STRONG, part)
    if last is None or part.count("\n", last.end()) > 2 * STRONG_LINES:
        last = last_match(_WEAK, part)
        if last is None or len(part[last.end() :].strip().split("\n")) > WEAK_LINES:
            return None
    rest = part[last.end() :].lstrip(" \t*_:：=")
    rest = (
        rest.lstrip("\n ")
        if not rest.split("\n", 1)[0].strip(" *_$") or rest.startswith(("\\[", "$$"))
        else rest
    )
    bold = "**" if part[: last.end()].rstrip(" ").endswith("**") and "**" in rest.split("\n", 1)[0] else ""
    if _DENIED.match(rest) or _FALSE_THAT.search(part[max(0, last.start() - 40) : last.start()]):
        return Extracted("", "denied")
    text = _first_statement(bold + rest)
    if denied("", rest[len(text) - len(bold) :]) or (text and denied("", " " + text.partition(",")[2])):
        return Extracted("", "denied")
    if not text or _UNKNOWN.search(text):
        return None
    found = _pick(_CONTRAST.sub(r"\1", text))
    return Extracted(found, "phrase") if found else None


_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bvs)(?<!\be\.g)(?<!\bi\.e)[.!?。！？](?=\s|$|\*)"
)


_FALSE_THAT = re.compile(r"\b(?:false|wrong|untrue|incorrect|not true)\s+that\s*(?:the\s*)?$", re.I)
_CONTRAST = re.compile(
    r"^(.*[\d}$)\]%])(?:\s*,?\s+(?:and not|not|rather than|instead of|nicht)\s|\s*，?\s*而?不是).*$"
)
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
    text = clean(statement)
    spans = formulas(text)
    if not text:
        return None
    if _chinese(text):
        return number_in(outside(text, spans)) or (spans[-1].inner if spans else None)
    if spans and spans[-1].display and _is_prose(text[spans[-1].end :]) and number_in(text[spans[-1].end :]):
        return number_in(text[spans[-1].end :])
    bare = outside(text, spans)
    if not _is_prose(bare) and not (not spans and starts_as_prose(bare)):
        return text
    bold = _BOLD.findall(statement)
    if bold and any(char.isdigit() for char in bold[-1]) and len(bold[-1]) < 60:
        return clean(bold[-1])
    number = number_in(bare)
    if not spans:
        return number if number else (text if len(text) <= SHORT else None)
    last = last_match(_VERB, bare)
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
    return ", ".join(span.inner for span in group) + unit_after(text[group[-1].end : group[-1].end + 24])


def _chinese(text: str) -> bool:
    """Whether a text is a sentence in Chinese: more characters than a unit has, and a number among them."""
    return any(char.isdigit() for char in text) and len(re.findall("[\u4e00-\u9fff]", text)) >= 3


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


def bare(part: str) -> Extracted | None:
    """A short answer part without prose is the answer itself."""
    if (
        len(part) <= SHORT
        and "\n" not in part
        and "\\" in part
        and "$" not in part
        and not re.search(r"\\[\[(]", part)
    ):
        return Extracted(clean(part), "whole")  # LaTeX without delimiters: the text is a formula as it stands
    if len(part) > SHORT or "\n\n" in part or _chinese(part) or _is_prose(outside(part, formulas(part))):
        return None
    if (not formulas(part) and starts_as_prose(part)) or part.rstrip().endswith("?"):
        return None
    if "\n" in part and not re.search(r"\\begin|^\s*(?:\\\[|\$\$)", part):
        return None
    if _STRONG.search(part) or _WEAK.search(part):
        return None
    return Extracted(clean(part), "whole") if clean(part) else None


def last_line(part: str) -> Extracted | None:
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
    text = clean(sentence)
    if _UNKNOWN.search(text):
        return None
    spans = formulas(text)
    if spans or _BOLD.search(sentence):
        found = _pick(sentence)
        return found if found and (spans or any(char.isdigit() for char in found)) else None
    return number_in(text)


def clean(text: str) -> str:
    """Drop Markdown emphasis, quotes and final punctuation around an answer."""
    text = text.strip().strip("`").strip()
    text = text.replace('\\"', '"').strip('"').strip()
    text = re.sub(r"^(?:\*\*|__|>|-\s(?=\D))+|(?:\*\*|__)+$", "", text).strip()
    text = text.replace("**", "")
    return re.sub(r"(?:(?<!\\)[.。,;:]|\s|\\[,;:! ])+$", "", text).strip()
