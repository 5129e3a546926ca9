"""reasoning-gym answers, scored by the task's own scorer."""

from __future__ import annotations

from typing import Any

from factory.verification.result import CheckResult, Method
from schemas.verdict import Verdict


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
