"""The reward: +1 for a verified answer, -1 for a wrong or missing one, none where nobody can tell.

A completion whose check timed out or cannot be decided gives no signal (None); it is never read as a wrong answer. Nor
is one whose `incorrect` is not confident: a right answer in an odd form would be trained away.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from trl.rewards import get_soft_overlong_punishment

from schemas import Verdict
from schemas.verdict import CONFIDENT

SIGNAL = {Verdict.CORRECT: 1.0, Verdict.INCORRECT: -1.0, Verdict.NO_ANSWER: -1.0}
"""Paper: +1 if the final answer is verified correct, -1 otherwise [2nd]; the other verdicts give none."""


def answer_part(text: str, *, opened: bool = False) -> str | None:
    """What follows the reasoning; None when the reasoning never ended, so that nothing was answered.

    `opened`: the prompt itself opened `<think>`, so a text without a closing tag is all reasoning.
    """
    _, tag, answer = text.rpartition("</think>")
    if tag:
        return answer
    return None if opened or "<think>" in text else text


class VerifiedReward:
    """A TRL reward function over a `factory.verification.Verifier`; `verdicts` keeps the last batch's results."""

    __name__ = "verified"

    def __init__(
        self,
        verifier: Any,
        *,
        limit: int = 0,
        buffer: int = 0,
        opened: bool = False,
        ends: Collection[int] = (),
    ) -> None:
        """`limit` and `buffer` in tokens switch DAPO's soft overlong punishment on.

        `opened`: see `answer_part`. `ends`: ids that end a completion; one without them was truncated, which solves
        nothing whatever it holds (`schemas/outcome.py`).
        """
        self.verifier, self.opened, self.ends = verifier, opened, frozenset(ends)
        self.verdicts: list[str] = []
        self.punish = get_soft_overlong_punishment(limit, buffer) if buffer else None

    def __call__(
        self,
        completions: list[Any],
        answer: list[str],
        completion_ids: list[list[int]] | None = None,
        answer_kind: list[str | None] | None = None,
        choices: list[list[str] | None] | None = None,
        metadata: list[str | None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """One reward a completion, in order. Messages and plain texts are both taken."""
        texts = [c if isinstance(c, str) else c[-1]["content"] for c in completions]
        if self.ends and completion_ids is not None:
            cut = [not ids or ids[-1] not in self.ends for ids in completion_ids]
            texts = ["" if gone else text for text, gone in zip(texts, cut, strict=True)]
        blank: list[Any] = [None] * len(texts)
        facts = (answer_kind or blank, choices or blank, metadata or blank)
        self.verdicts = check(self.verifier, texts, answer, *facts, opened=self.opened)
        rewards = [SIGNAL.get(Verdict(v)) for v in self.verdicts]
        if self.punish is not None and completion_ids is not None:
            penalties = self.punish(completion_ids)
            rewards = [None if r is None else r + p for r, p in zip(rewards, penalties, strict=True)]
        if log_metric is not None:
            for verdict in Verdict:
                log_metric(f"verdict/{verdict}", self.verdicts.count(verdict) / max(1, len(texts)))
        return rewards


def check(
    verifier: Any,
    texts: list[str],
    golds: list[str],
    kinds: list[str | None],
    choices: list[list[str] | None],
    metadata: list[str | None],
    *,
    opened: bool = False,
) -> list[str]:
    """The verdict of every completion that the reward acts on.

    One that never left its reasoning is `no_answer` without being checked; an `incorrect` below `CONFIDENT` is
    `unverifiable`.
    """
    from factory.verification import CheckRequest

    parts = [answer_part(text, opened=opened) for text in texts]
    asked = [i for i, part in enumerate(parts) if part is not None]
    requests = [
        CheckRequest(
            response=str(parts[i]),
            gold=golds[i],
            answer_kind=kinds[i],
            choices=tuple(options) if (options := choices[i]) else None,
            metadata=metadata[i],
        )
        for i in asked
    ]
    verdicts = [str(Verdict.NO_ANSWER)] * len(texts)
    for i, result in zip(asked, verifier.check_many(requests), strict=True):
        doubtful = result.verdict == Verdict.INCORRECT and result.confidence < CONFIDENT
        verdicts[i] = str(Verdict.UNVERIFIABLE if doubtful else result.verdict)
    return verdicts
