"""One generation job: what is wanted, in which order it is bought, when it is enough, and what it came to.

Exactly N verified-correct responses (`accept`) are bought in waves. Each wave is decided by the verdicts of the ones
before it and by nothing else, so the same answers always lead to the same purchases, however many were in flight.
Unsolved problems come first.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import polars as pl

from factory.config.generate import GenerateSection
from factory.config.verify import VerifySection
from factory.progress import Task, watch
from factory.sampling.budget import Budget
from factory.sampling.drift import Watchman
from factory.sampling.limits import Rates
from factory.sampling.problems import collect, planned, schedule_of
from factory.sampling.purchase import Tally, purchase
from factory.sampling.sampler import Completion, Sampler, SampleRequest, SamplingParams
from factory.sampling.schedule import Schedule
from factory.sampling.store.journal import ResponseStore
from factory.sampling.truncation import Truncation
from schemas import ResponseStatus

LOCAL_BATCH = 256
"""Requests that a local sampler gets together; it makes its own batches of them."""
BATCH_API = 10_000
"""Requests in one file of a Batch API (OpenAI allows 50,000)."""

Problems = Callable[[], Iterator[dict[str, Any]]]


class Job:
    """Buys what a section asks for, then reads it back in order."""

    def __init__(
        self,
        section: GenerateSection,
        sampler: Sampler,
        store: ResponseStore,
        *,
        seed: int,
        name: str,
        verify: VerifySection | None = None,
        budget: Budget,
        rates: Rates | None = None,
        only: Callable[[Iterator[SampleRequest]], Iterator[SampleRequest]] | None = None,
    ) -> None:
        """Set the job up.

        Args:
            section: what is asked for.
            sampler: who is asked.
            store: where answers are kept.
            seed: of samplers that can be seeded.
            name: of the job in the store: its budget counts what was ever bought under it.
            verify: how answers are checked for `accept`.
            budget: what it may spend.
            rates: rate limits of a worker among many; limits of its own by default.
            only: leaves a worker's own requests of all.
        """
        self.section, self.sampler, self.store, self.name = section, sampler, store, name
        self.verify = verify or VerifySection()
        self.params = SamplingParams(section.temperature, section.top_p, section.max_tokens, seed)
        preset = getattr(sampler, "preset", None)
        self.only = only or (lambda requests: requests)
        self.budget = budget
        self.truncation = Truncation(section.truncation, preset, batch=section.batch)
        self.watchman = Watchman(reasons=bool(preset and preset.reasons))
        self.schedule = schedule_of(section, section.max_tokens)
        self.schedule.rates = rates or self.schedule.rates
        self.plan: int | dict[str, range] = section.samples
        self.tally = Tally()
        self.facts: dict[str, Any] = {}

    def requests(
        self, problems: Iterator[dict[str, Any]], plan: int | Mapping[str, range]
    ) -> Iterator[SampleRequest]:
        """Requests of a plan."""
        own = self.section
        return planned(problems, plan, self.params, prompt=own.prompt, system=own.system, prompts=own.prompts)

    @property
    def done(self) -> int:
        """Answers seen so far, bought or found."""
        return self.panel.done if hasattr(self, "panel") else 0

    async def buy(self, problems: Problems, expected: int) -> None:
        """Have everything bought. See `factory.sampling.purchase.purchase` for what it raises."""
        with watch("generate", expected, "responses") as task:
            self.panel = Panel(task, self.schedule, self.budget, expected)
            if self.section.accept is None:
                await self._buy_plan(self.only(self.requests(problems(), self.section.samples)))
            else:
                await self._buy_accepted(problems)

    async def _buy_plan(self, requests: Iterator[SampleRequest]) -> None:
        """Buy requests, and what the truncation policy makes of cut answers, until nothing is cut or the cap is met."""
        wave: Iterator[SampleRequest] = requests
        while True:
            cut: list[SampleRequest] = []

            def seen(
                request: SampleRequest, completion: Completion, bought: bool, cut: list[SampleRequest] = cut
            ) -> None:
                self.watchman.see(request, completion, bought)
                self.panel.see(completion, bought)
                follow = self.truncation.follow_up(request, completion)
                if follow is not None:
                    cut.append(follow)

            tally = await purchase(
                wave,
                self.sampler,
                self.store,
                schedule=self.schedule,
                budget=self.budget,
                seen=seen,
                job=self.name,
                batch=BATCH_API if self.section.batch else LOCAL_BATCH,
            )
            self.tally.merge(tally)
            if not cut:
                return
            self.panel.more(len(cut))
            wave = iter(cut)

    async def _buy_accepted(self, problems: Problems) -> None:
        section = self.section
        assert section.accept is not None
        with Acceptance(self.verify, section.accept, section.samples, section.max_candidates) as acceptance:
            acceptance.open([str(problem["id"]) for problem in problems()])
            while wave := acceptance.next_wave():
                self.panel.expect(self.panel.done + sum(map(len, wave.values())))
                await self._buy_plan(self.requests(problems(), wave))
                for frame in collect(
                    self.requests(problems(), wave),
                    self.sampler,
                    self.store,
                    pl.Schema(),
                    again=self.truncation.again,
                ):
                    acceptance.judge(frame)
                self.panel.accepted = acceptance.accepted
            self.plan = acceptance.plan()
            self.facts["accepted"] = acceptance.accepted
            self.facts["candidates"] = acceptance.candidates

    def collected(self, problems: Iterator[dict[str, Any]], schema: pl.Schema) -> Iterator[pl.DataFrame]:
        """The job's rows of schemas.RESPONSE, in order, a few thousand at a time."""
        self.counts: Counter[str] = Counter()
        self.loops_saved = 0
        self.last_error = ""
        self.sums = {"prompt_tokens": 0, "completion_tokens": 0, "usd": 0.0}
        requests = self.requests(problems, self.plan)
        for frame in collect(
            requests, self.sampler, self.store, schema, again=self.truncation.again, look=self.watchman.look
        ):
            self.counts.update(frame["status"].to_list())
            self.loops_saved += self._saved(frame)
            for error in frame["error"].drop_nulls().tail(1):
                self.last_error = error
            for name in self.sums:
                self.sums[name] += float(frame[name].cast(pl.Float64).sum() or 0)
            self.watchman.rows(frame)
            yield frame

    def _saved(self, frame: pl.DataFrame) -> int:
        """Tokens that looping answers might still have written: what was left of their budgets when they were cut."""
        budget = pl.min_horizontal(pl.col("max_tokens"), pl.lit(self.truncation.most or 2**31))
        left = (budget - pl.col("completion_tokens").fill_null(0)).clip(0)
        looped = frame.filter(pl.col("status") == ResponseStatus.LOOPED)
        return int(looped.select(left.sum()).item())

    def totals(self) -> dict[str, Any]:
        """Sums over the rows (whoever paid), statuses, and alarms. The same however often the job was interrupted."""
        return {
            "prompt_tokens": int(self.sums["prompt_tokens"]),
            "completion_tokens": int(self.sums["completion_tokens"]),
            "usd": round(self.sums["usd"], 9),
            "statuses": dict(sorted(self.counts.items())),
            "teacher": self.sampler.name,
            "model": self.sampler.model,
            **({"loop_tokens_saved": self.loops_saved} if self.loops_saved else {}),
            **self.watchman.report(),
            **self.facts,
        }


EVERY_SECONDS = 0.2


class Panel:
    """Feeds the progress line of one job."""

    def __init__(self, task: Task, schedule: Schedule, budget: Budget, expected: int) -> None:
        self.task, self.schedule, self.budget, self.expected = task, schedule, budget, expected
        self.accepted: int | None = None
        self.began = time.monotonic()
        self.said = 0.0
        self.done = self.bought = self.tokens = self.pending = self.found = 0
        self.usd = 0.0
        task.measured(schedule.session.facts)

    def more(self, count: int) -> None:
        """So many further requests follow upon cut answers."""
        self.expect(self.expected + count)

    def expect(self, count: int) -> None:
        """So many answers are expected in all."""
        self.expected = count
        self.task.total(count)

    def see(self, completion: Completion, bought: bool) -> None:
        """Count one answer and refresh the line now and then."""
        self.done += 1
        self.schedule.session.see(completion, bought)
        if not bought:
            self.found += 1
        else:
            self.pending += 1
            self.bought += 1
            self.tokens += completion.completion_tokens or 0
            self.usd += completion.usd or 0.0
        now = time.monotonic()
        if now - self.said >= EVERY_SECONDS or self.done >= self.expected:
            self.said = now
            self.task.there(self.found)
            self.task.advance(self.pending, **self.facts(now))
            self.pending = self.found = 0

    def facts(self, now: float) -> dict[str, Any]:
        """What the progress line shows; zero and unknown values are left out."""
        seconds = max(now - self.began, 1e-9)
        shown: dict[str, Any] = {}
        if self.tokens:
            shown["tok/s"] = f"{self.tokens / seconds:,.0f}"
        if self.usd:
            digits = 2 if self.budget.usd >= 0.1 else 4
            shown["$"] = f"{self.budget.usd:,.{digits}f} of {self._of()}"
        if self.accepted is not None:
            shown["accepted"] = self.accepted
        if self.bought:
            shown["in flight"] = f"{self.schedule.in_flight}/{self.schedule.limit.limit}"
        if self.schedule.refusals:
            shown["429s"] = self.schedule.refusals
        if self.schedule.troubles:
            shown["errors retried"] = self.schedule.troubles
        if limit := self.limited_by():
            shown["limited by"] = limit
        return shown

    def _of(self) -> str:
        """The cap, or else what all of it will cost at this rate."""
        if self.budget.max_usd is not None:
            return f"${self.budget.max_usd:,.10g}"
        left = max(0, self.expected - self.done)
        return f"about ${self.budget.usd + self.usd / self.bought * left:,.2f}"

    def limited_by(self) -> str:
        """What keeps the job from going faster."""
        limit = self.schedule.limit
        if self.schedule.waits == "concurrency":
            if limit.fixed:
                return "--concurrency"
            if limit.ceiling is not None:
                return "server (429s)" if self.schedule.refusals else "server (queue)"
            return ""
        names = {"rate": "rate limits", "budget": "budget", "server": "server (asks to wait)"}
        return names.get(self.schedule.waits, "")


SURPLUS = 1.1
"""A wave asks for this much more than the accepted share so far says is needed."""
LEAST_SHARE = 0.05


class Acceptance:
    """Counts verdicts and plans waves.

    Args:
        verify: how answers are checked.
        accept: verified-correct responses that are wanted.
        samples: samples that every problem may get; unsolved ones may get more while `most` allows it.
        most: responses that may be asked for at most; `samples` a problem when None.
    """

    def __init__(self, verify: VerifySection, accept: int, samples: int, most: int | None) -> None:
        self.verify, self.wanted, self.samples, self.most = verify, accept, samples, most
        self.accepted = self.candidates = 0
        self.asked: dict[str, int] = {}
        self.solved: set[str] = set()

    def __enter__(self) -> Self:
        """Start the checkers."""
        from factory.verification import Verifier

        self._verifier = Verifier(self.verify)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Stop the checkers."""
        self._verifier.close()

    def open(self, problems: list[str]) -> None:
        """Start with these problem ids."""
        self.asked = dict.fromkeys(problems, 0)
        if self.most is None:
            self.most = len(problems) * self.samples

    def next_wave(self) -> dict[str, range]:
        """Samples to buy next, by problem id; empty when it is enough or nothing more may be asked."""
        assert self.most is not None
        missing = self.wanted - self.accepted
        room = self.most - self.candidates
        if missing <= 0 or room <= 0 or not self.asked:
            return {}
        share = max(self.accepted / self.candidates, LEAST_SHARE) if self.candidates else 1.0
        size = min(room, max(1, math.ceil(missing / share * SURPLUS)))
        chosen = self._choose(size)
        wave = {name: range(self.asked[name], self.asked[name] + 1) for name in chosen}
        for name in chosen:
            self.asked[name] += 1
        self.candidates += len(chosen)
        return wave

    def _choose(self, size: int) -> list[str]:
        """Problems that get one more sample: those asked least, the unsolved among them first, in their order."""
        unsolved = [name for name in self.asked if name not in self.solved]
        solved = [name for name in self.solved if self.asked[name] < self.samples]
        fresh = [name for name in unsolved if self.asked[name] < self.samples]
        pool = fresh or sorted(solved, key=list(self.asked).index) or unsolved
        least = min((self.asked[name] for name in pool), default=0)
        return [name for name in pool if self.asked[name] == least][:size]

    def judge(self, responses: pl.DataFrame) -> None:
        """Take a wave's answers."""
        from factory.verification import verify_responses

        checked = verify_responses(responses, self.verify, verifier=self._verifier)
        right = checked.filter(pl.col("verdict") == "correct")
        self.accepted += right.height
        self.solved.update(right["problem_id"].to_list())

    def plan(self) -> dict[str, range]:
        """Everything that was asked for."""
        return {name: range(count) for name, count in self.asked.items() if count}
