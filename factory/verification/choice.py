"""Answers with a rule of their own: multiple choice (a letter, an option's text, several letters) and reasoning-gym tasks."""

from __future__ import annotations

import re
from typing import Any

from factory.verification.extraction import Extracted
from factory.verification.notation import MAX_ANSWER, literal, tidy, untext, words
from factory.verification.result import CheckResult, Method
from schemas.verdict import Verdict

MAX_TAIL = 2_000
MAX_OPTION = 1_000
"""Longest option text that is compared, in characters."""
_LETTER_GROUP = re.compile(r"^[\s(\[（]*([A-Ja-j])(?:\s*[)\].:、）]|\s*$|[,;]\s)")
_LIST = re.compile(r"^\W*[A-J](?:(?:\s*(?:,|&|;|and|、)\s*|\s*)[A-J])*\W*$")
_LETTER_IN_TEXT = re.compile(r"(?<![A-Za-z0-9\\])\(?([A-J])\)?(?![A-Za-z0-9'])")


_L = r"[\s*($\\]*(?:text\{)?[(（]?((?-i:[A-J]))(?![A-Za-z0-9])"
_STATED = re.compile(
    rf"(?:\b(?:option|choice|alternative|statement|answer|letter|leaves)(?:\s+(?:is|must be|should be|would be|has to be|choice|option))?\s*[:：]?{_L}(?!')"
    rf"|(?<![A-Za-z0-9]){_L}[)*}}$.]*\s+(?:is|must be|would be)\s+(?:therefore\s+|thus\s+)?(?:the\s+)?(?:only\s+)?(?:right|correct|best|true|answer)"
    rf"|\b(?:must be|has to be|corresponds to|matches|is|choose|select|pick|go with)\s*[:：]?{_L}(?=[)*$.}}\s]*(?:$|,|\.))"
    rf"|(?:选项?|选择|答案[是为]?)\s*[:：]?{_L}(?=[)）*$.}}\s。．项]*(?:$|,|，|\.|。|是?正确))|\(((?-i:[A-J]))\))",
    re.I,
)
_WRONG = re.compile(
    r"\b(?:not|n't|wrong|incorrect|false|isn't|cannot|eliminat\w+|rul\w+ out|excluded?)\b|不|排除|错误", re.I
)
_LONE = re.compile(r"[\s*(（]*([A-J])[\s*)）.．。]*")
_LABELLED = re.compile(r"[\s*(（]*([A-J])\s*[)）.．:：、*]+\s*(\S.*)")
_ANNOUNCED = re.compile(r"(?:(?:\b(?:is|are|be)|[:：是为])\s*\**\s*|[(（]?[A-J][)）.．:、]\s*|^[\s*]*)$")


def stated_letter(part: str, choices: tuple[str, ...] = ()) -> str | None:
    """The option that the last sentences of a response name: "option C is correct", "so it must be C", `故选C`, or its text."""
    lines = [line for line in part[-MAX_TAIL:].split("\n") if line.strip(" *_.")]
    if lines and (letter := _of_line(lines[-1], choices)):
        return letter
    tail = part[-MAX_TAIL:]
    for option in sorted(choices, key=len, reverse=True):
        if len(option) > 8:
            tail = tail.replace(_strip_label(option).strip(" ."), "")  # its words deny and affirm nothing
    sentences = [s for s in re.split(r"(?<=[.!?。！？])(?:\*\*)?\s+|\n+", tail) if s.strip(" *_.")]
    for sentence in reversed(sentences[-4:]):
        if _WRONG.search(sentence):
            continue
        found = {
            next(g for g in match.groups() if g).upper()
            for match in _STATED.finditer(sentence)
            if any(match.groups())
        }
        if len(found) == 1:
            return found.pop()
        if found:
            return None
    return None


def _of_line(line: str, choices: tuple[str, ...]) -> str | None:
    """The option of a line that is a letter, a letter with its text, or that ends in the announced text of an option."""
    if lone := _LONE.fullmatch(line):
        return lone[1]
    labelled = _LABELLED.fullmatch(line)
    plain = _plain(line)
    ends = [
        (len(text), place)
        for place, option in enumerate(choices)
        if (text := _plain(_strip_label(option)))
        and plain.endswith(text)
        and _ANNOUNCED.search(plain[: -len(text)])
    ]
    if not ends or [end[0] for end in ends].count(max(ends)[0]) > 1:
        return None
    letter = chr(65 + max(ends)[1])
    return letter if labelled is None or labelled[1] == letter else None


def _plain(text: str) -> str:
    return untext(text).strip().strip("*$").strip(" .。*$")


def letters_of(text: str, choices: tuple[str, ...] | None = None) -> str | None:
    """The option letters that an answer names, sorted (`AC`), or None.

    A lone letter, `(B)`, `B. text`, `B) text`, several letters, or the text of exactly one option.
    """
    plain = untext(tidy(text)).strip(" .*$")[:MAX_OPTION]
    if _LIST.match(plain):
        letters = re.findall("[A-J]", plain.replace("and", ""))
        return "".join(sorted(letters)) if len(set(letters)) == len(letters) else None
    if len(plain) <= 3 and (match := re.fullmatch(r"\(?([a-j])\)?", plain)):
        return match[1].upper()
    if choices:
        by_text = _by_text(plain, choices)
        if by_text:
            return by_text
    match = _LETTER_GROUP.match(plain)
    if match and (len(plain) > 1 or choices):
        return match[1].upper()
    named = {m[1] for m in _LETTER_IN_TEXT.finditer(re.sub(r"\bA (?=[a-z])|\bI\b", "", plain))}
    return named.pop() if len(named) == 1 else None


def _by_text(plain: str, choices: tuple[str, ...]) -> str | None:
    hits = [i for i, option in enumerate(choices) if same_text(plain, _strip_label(option))]
    if not hits and len(plain) >= 12:  # the beginning of one option's text, cut off
        hits = [
            i
            for i, option in enumerate(choices)
            if words(_strip_label(option)).startswith(words(plain) or "?")
        ]
    return chr(65 + hits[0]) if len(hits) == 1 else None


def _strip_label(option: str) -> str:
    return re.sub(r"^\s*\(?[A-J][).:、]\s*", "", option)


def same_text(a: str, b: str) -> bool:
    """Equal after tidying, or with the same words when there are any."""
    if literal(a).strip("$") == literal(b).strip("$"):
        return True
    return bool(words(a)) and words(a) == words(b) and not re.search(r"[-+<>=^\\/.]", a + b)


def check_choice(gold: str, answer: str, choices: tuple[str, ...] | None) -> CheckResult:
    """Compare the letters that gold and answer name."""
    want = letters_of(gold, choices)
    got = letters_of(answer, choices)
    if want is None:
        return CheckResult(Verdict.UNVERIFIABLE, Method.CHOICE, answer, reason="gold names no option")
    if got is None:
        return CheckResult(
            Verdict.UNVERIFIABLE, Method.CHOICE, answer, want, reason="the answer names no single option"
        )
    verdict = Verdict.CORRECT if want == got else Verdict.INCORRECT
    return CheckResult(verdict, Method.CHOICE, answer, want, got, None if want == got else "another option")


_CUE = re.compile(
    r"\b(?:answer|solution|result|output|therefore|thus|so)\b[^\n:]{0,40}?(?:\bis\b\s*:?|:)[\s*_]*", re.I
)
_FENCE = re.compile(r"^```\w*\n?|\n?```$")


def gym_answer(part: str, found: Extracted, gold: str) -> str:
    """The answer for a task's scorer: as the author marked it, with all its lines where the gold has several."""
    tag = re.search(r"<answer>(?!.*<answer>)(.*?)(?:</answer>|\Z)", part, re.S | re.I)
    if tag and "\\boxed" not in tag[1]:
        return _FENCE.sub("", tag[1].strip()).strip()
    if part.rstrip().endswith("```") and (
        fences := re.findall(r"```\w*\n(.*?)```", part[-2 * MAX_ANSWER :], re.S)
    ):
        return str(fences[-1]).strip()
    if not found.text:
        found = Extracted(part.strip().split("\n")[-1].strip(" *`"), found.rule)
    lines = gold.strip().count("\n") + 1
    if lines > 1 and found.rule not in ("boxed", "boxes"):
        text = part[-5 * MAX_ANSWER :].strip()
        cues = [match.end() for match in _CUE.finditer(text)]
        block = text[cues[-1] :] if cues else text
        rows = [row for row in block.strip().split("\n") if row.strip()]
        return "\n".join(rows[:lines] if cues else rows[-lines:])
    if found.rule == "boxed":
        whole = re.fullmatch(r"\\text\s?\{(.*)\}", found.text.strip(), re.S)
        return re.sub(r"\\\\\s*", "\n", whole[1] if whole else untext(found.text)).strip().strip("$").strip()
    if found.rule in ("last_line", "whole") and "\n" in part.strip():
        last = part.strip().split("\n")[-1].strip(" *`")
        return (
            last
            if not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", last) or len(gold.split()) > 3
            else found.text
        )
    return found.text


def check_gym(gold: str, answer: str, facts: dict[str, Any]) -> CheckResult:
    """Score `answer` with `score_answer` of the entry's task; correct means a full score of 1."""
    entry = facts.get("entry", facts)
    task = (entry.get("metadata") or {}).get("source_dataset")
    if not task:
        return CheckResult(
            Verdict.UNVERIFIABLE, Method.REASONING_GYM, answer, reason="metadata holds no entry"
        )
    try:
        import reasoning_gym
    except ImportError:
        return CheckResult(
            Verdict.UNVERIFIABLE,
            Method.REASONING_GYM,
            answer,
            reason="reasoning-gym is not installed (extra `gym`)",
        )
    score = float(reasoning_gym.get_score_answer_fn(task)(answer, entry))
    verdict = Verdict.CORRECT if score >= 1.0 else Verdict.INCORRECT
    return CheckResult(verdict, Method.REASONING_GYM, answer, gold or None, answer, f"score {score:.3g}")
