"""One generation job: what is wanted, in which order it is bought, when it is enough, and what it came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from factory.config.generate import GenerateSection
from factory.config.verify import VerifySection
from factory.progress import watch
from factory.sampling.accept import Acceptance
from factory.sampling.budget import Budget
from factory.sampling.drift import Watchman
from factory.sampling.panel import Panel
from factory.sampling.problems import collect, planned, schedule_of
from factory.sampling.purchase import Tally, purchase
from factory.sampling.rates import Rates
from factory.sampling.sampler import Completion, Sampler, SampleRequest, SamplingParams
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
        return planned(problems, plan, self.params, prompt=self.section.prompt, system=self.section.system)

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
