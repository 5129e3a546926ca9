"""reasoning-gym answers, scored by the task's own scorer."""

from __future__ import annotations

import re
from typing import Any

from factory.verification.extraction import Extracted
from factory.verification.notation import MAX_ANSWER, untext
from factory.verification.result import CheckResult, Method
from schemas.verdict import Verdict

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
