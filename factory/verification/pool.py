r"""`Verifier`: checks in worker processes that are killed at their limit and replaced (`factory.engines.framed`).

What is obvious (literal and numeric matches, choices, texts) is settled in the calling process without a round trip. A
verdict never depends on the number of workers or on the order of requests: every check starts from the same state and is
decided alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from factory.config.verify import VerifySection
from factory.engines.framed import Answer, Late, Lost, Workers
from factory.functions.own import OwnFunction
from factory.functions.tries import Tries
from factory.progress.parts import tick
from factory.verification.check import CANONICAL, Prepared, prepare
from factory.verification.extraction import extract, split_reasoning
from factory.verification.notation import MAX_ANSWER, literal
from factory.verification.own import asks_rules, check_own
from factory.verification.result import CHECKER_VERSION, CheckRequest, CheckResult, Method
from schemas.verdict import Verdict


class Verifier(Workers):
    r"""A pool of worker processes. Thread-safe; workers start when first needed and stay until `close`.

    Example:
        with Verifier(VerifySection()) as verifier:
            results = verifier.check_many([CheckRequest("... \boxed{1/2}", gold="0.5")])
    """

    def __init__(self, settings: VerifySection | None = None) -> None:
        """`settings.workers` processes (one a core by default), `settings.seconds` of processor time for each check."""
        settings = settings or VerifySection()
        words = ["-m", "factory.verification.worker", repr(settings.seconds)]
        super().__init__(words, settings.workers, settings.seconds)
        self.tries = Tries()
        """How a checker of the user's own did so far."""
        self.own = (
            OwnFunction(settings.checker, count=settings.workers, seconds=settings.seconds)
            if settings.checker
            else None
        )

    @property
    def version(self) -> str:
        """What decided, for `checker_version`: of a checker of the user's own its name and the digest of its source."""
        return f"{self.own.name}@{self.own.source.digest[:8]}" if self.own else CHECKER_VERSION

    def close(self) -> None:
        """End the worker processes. The verifier cannot be used afterwards."""
        super().close()
        if self.own is not None:
            self.own.close()

    def check(self, request: CheckRequest) -> CheckResult:
        """Check one response."""
        return self.check_many([request])[0]

    def check_many(self, requests: Sequence[CheckRequest]) -> list[CheckResult]:
        """Check responses; results are in the order of requests. Never raises for what a response contains.

        Raises:
            UsageError: the user's own checker cannot be loaded, or asks for a field that there is not.
            FactoryError: it failed at all rows.
            RuntimeError: the pool is closed, or worker processes cannot be started at all.
        """
        if self.own is None:
            return self._by_rules(requests)
        rules = self._by_rules(requests) if asks_rules(self.own) else []
        return check_own(self.own, requests, self.tries, rules)

    def _by_rules(self, requests: Sequence[CheckRequest]) -> list[CheckResult]:
        results: list[CheckResult | None] = []
        hard: dict[Prepared, list[int]] = {}
        for index, request in enumerate(requests):
            began = time.thread_time()
            settled = prepare(request)
            if isinstance(settled, Prepared):
                hard.setdefault(settled, []).append(index)
                results.append(None)
            else:
                results.append(replace(settled, seconds=time.thread_time() - began))
                tick(1)
        if hard:
            for prepared, result in zip(hard, self._decide(list(hard), seen=tick), strict=True):
                for index in hard[prepared]:
                    results[index] = result
        return [result for result in results if result is not None]

    def canonical_many(self, responses: Sequence[str]) -> list[tuple[str, str] | None]:
        """The extracted answer of each response and its canonical form; None where there is no answer."""
        found = [_answer_of(response) for response in responses]
        items = list(dict.fromkeys(Prepared(CANONICAL, "", answer) for answer in found if answer))
        forms = {
            item.answer: r.extracted_canonical for item, r in zip(items, self._decide(items), strict=True)
        }
        return [(answer, forms[answer] or literal(answer)) if answer else None for answer in found]

    def _decide(self, items: list[Prepared], seen: Callable[[int], None] | None = None) -> list[CheckResult]:
        answers = self.ask_many([asdict(item) for item in items], seen)
        return [_result(item, answer) for item, answer in zip(items, answers, strict=True)]


def _result(item: Prepared, answer: Answer) -> CheckResult:
    if isinstance(answer, Late):
        return CheckResult(
            Verdict.TIMEOUT,
            Method.LIMIT,
            item.answer,
            reason=f"no verdict within {answer.limit}",
            answer_kind=item.kind,
            seconds=answer.seconds,
        )
    if isinstance(answer, Lost):
        reason = "the checker process died (memory limit or crash)"
        return CheckResult(
            Verdict.UNVERIFIABLE, Method.LIMIT, item.answer, reason=reason, answer_kind=item.kind
        )
    named = {"verdict": Verdict(answer["verdict"]), "method": Method(answer["method"])}
    return CheckResult(**{**answer, **named})


def _answer_of(response: str) -> str | None:
    part = split_reasoning(response)[1]
    found = extract(part) if part else None
    return found.text or None if found and len(found.text) <= MAX_ANSWER else None
