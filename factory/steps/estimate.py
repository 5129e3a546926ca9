"""A pilot of a generation job, bought into the job's own store, and the forecast made from it: dollars, tokens, hours.

Every figure has an interval.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import polars as pl

from factory.atomic import write_json
from factory.config.generate import GenerateSection
from factory.config.verify import VerifySection
from factory.datasets.render import MESSAGES_TYPE
from factory.errors import FactoryError
from factory.run.out_folder import OutFolder
from factory.run.parts import note_path
from factory.sampling.presets import Prices, prices_of
from factory.sampling.problems import Plan, budget_of, iter_problems, sample_problems
from factory.sampling.problems import planned as ask_for
from factory.sampling.rows import FIRST, MISSING
from factory.sampling.sampler import Completion, RemoteSampler, Sampler, SampleRequest, SamplingParams
from factory.sampling.store.journal import ResponseStore
from factory.sources.problems import read_problems
from factory.steps.generate import STEP, job_name
from factory.steps.own_prompt import with_messages
from factory.steps.reuse import read_reuse
from factory.steps.teacher import teacher

DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Interval:
    """An expectation with the interval that should hold it in 95 of 100 jobs."""

    expected: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """True when a value lies inside."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Estimate:
    """The forecast of one job."""

    requests: int
    pilot: int
    prompt_tokens: Interval
    completion_tokens: Interval
    usd: Interval | None
    hours: Interval | None
    accepted: Interval | None
    usd_per_accepted: float | None
    spared: int = 0
    """Requests that responses which are there already make needless."""
    usd_spared: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For `_estimate.json`."""
        return asdict(self)


def forecast(
    pilot: pl.DataFrame,
    requests: int,
    *,
    prices: Prices | None,
    seconds: Sequence[float] = (),
    concurrency: int | None = None,
    seed: int = 0,
) -> Estimate:
    """Predict a job of `requests` responses from a pilot's verdict rows.

    Totals are drawn with problems as the unit (answers to one problem are alike): each draw resamples the pilot's
    problems, and adds the scatter of a job of finite size.

    Args:
        pilot: rows with problem_id, prompt_tokens, completion_tokens, and `verdict` when it was verified.
        requests: responses of the whole job.
        prices: of the teacher.
        seconds: durations of the pilot's requests.
        concurrency: requests that the job will keep in flight.
        seed: of the draws.
    """
    groups = pilot.group_by("problem_id", maintain_order=True).agg(
        pl.col("prompt_tokens").fill_null(0).mean(), pl.col("completion_tokens").fill_null(0).mean()
    )
    prompt = _total(groups["prompt_tokens"].to_list(), requests, seed)
    completion = _total(groups["completion_tokens"].to_list(), requests, seed)
    usd = None
    if prices is not None:
        costs = [
            prices.cost(p, c)
            for p, c in zip(groups["prompt_tokens"], groups["completion_tokens"], strict=True)
        ]
        usd = _total(costs, requests, seed)
    accepted = None
    if "verdict" in pilot.columns and pilot.height:
        accepted = _accepted(int((pilot["verdict"] == "correct").sum()), pilot.height, requests, seed)
    hours = None
    if seconds and concurrency:
        spans = _total(list(seconds), requests, seed)
        share = 3600 * concurrency
        hours = Interval(spans.expected / share, spans.low / share, spans.high / share)
    each = usd.expected / accepted.expected if usd and accepted and accepted.expected else None
    return Estimate(requests, pilot.height, prompt, completion, usd, hours, accepted, each)


def compare(estimate: dict[str, Any], totals: dict[str, Any]) -> list[str]:
    """How well a forecast held: one line for each figure that both have."""
    lines = []
    for name in ("completion_tokens", "prompt_tokens", "usd", "accepted"):
        told, came = estimate.get(name), totals.get(name)
        if told and came:
            inside = Interval(**told).holds(came)
            miss = (came - told["expected"]) / told["expected"]
            lines.append(
                f"{name}: told {told['expected']:,.4g}, came {came:,.4g} ({miss:+.1%}, {'inside' if inside else 'outside'} the interval)"
            )
    return lines


def _total(values: list[float], count: int, seed: int) -> Interval:
    """Sum over `count` requests like these, by a Bayesian bootstrap over the pilot's problems."""
    if not values or not count:
        return Interval(0.0, 0.0, 0.0)
    draw = random.Random(seed)
    n = len(values)
    mean = sum(values) / n
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, n - 1))
    totals = []
    for _ in range(DRAWS):
        weights = [draw.expovariate(1.0) for _ in values]
        middle = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
        totals.append(max(0.0, count * middle + math.sqrt(count) * spread * draw.gauss(0, 1)))
    totals.sort()
    # Student's t over the normal quantile: the bootstrap of a small pilot is too narrow by about this much.
    widen = math.sqrt(n / max(1, n - 3)) if n > 3 else 3.0
    expected = count * mean
    low, high = totals[int(0.025 * DRAWS)], totals[int(0.975 * DRAWS)]
    return Interval(
        expected, max(0.0, expected - widen * (expected - low)), expected + widen * (high - expected)
    )


def _accepted(correct: int, tried: int, count: int, seed: int) -> Interval:
    """Beta-binomial forecast under Jeffreys' prior."""
    draw = random.Random(seed)
    shares = [draw.betavariate(correct + 0.5, tried - correct + 0.5) for _ in range(DRAWS)]
    totals = sorted(
        min(count, max(0.0, count * p + math.sqrt(count * p * (1 - p)) * draw.gauss(0, 1))) for p in shares
    )
    return Interval(count * correct / tried, totals[int(0.025 * DRAWS)], totals[int(0.975 * DRAWS)])


FILE = "_estimate.json"
IN_FLIGHT = 64
"""Requests in flight that are assumed for `auto`; most endpoints allow more."""


def run(
    patterns: list[str],
    out: Path,
    section: GenerateSection,
    *,
    store: Path,
    seed: int,
    pilot: int,
    **reading: Any,
) -> tuple[Estimate, pl.DataFrame]:
    """Buy a pilot and forecast the job. The pilot's answers are the job's own first answers, so none is wasted.

    Args:
        patterns: where the problems are.
        out: the job's output folder; the forecast is kept there, and the job compares itself with it at its end.
        section: teacher, sampling and budgets (which the pilot keeps to).
        store: the job's store.
        seed: of the draw and of the sampler.
        pilot: problems that are asked once.
        **reading: `problem_field`, `answer_field`, `limit`.

    Returns:
        The forecast, and the pilot's answers: rows of RESPONSE, of VERDICT where the problems have golds, and in `messages`
        what was sent.

    Raises:
        UsageError: the job's folder holds files of others.
        FactoryError: no request of the pilot was answered.
    """
    OutFolder(out, STEP, key="").check()
    rows = with_messages(read_problems(patterns, seed=seed, **reading).rows, section)
    planned = requests = rows.height * section.samples
    asked, plan = rows, cast(Plan, 1)
    if section.reuse:
        with TemporaryDirectory() as scratch:
            reuse = read_reuse(section.reuse, rows, out, Path(scratch))
        requests = reuse.missing(rows.height, section.samples)
        owed = {p["id"]: p[FIRST] for p in reuse.owed(iter_problems(rows), section.samples) if p[MISSING]}
        asked, plan = (
            rows.filter(pl.col("id").is_in(list(owed))),
            {n: range(i, i + 1) for n, i in owed.items()},
        )
    drawn = sorted(random.Random(f"pilot|{seed}").sample(range(asked.height), min(pilot, asked.height)))
    timed = _Timed(teacher(section, seed))
    params = SamplingParams(section.temperature, section.top_p, section.max_tokens, seed)
    prices = prices_of(timed.inner)
    job = job_name(out)
    wording: dict[str, Any] = {name: getattr(section, name) for name in ("prompt", "system", "prompts")}
    with ResponseStore(store) as opened, budget_of(section, timed.inner, opened, job) as budget:
        answers = sample_problems(
            asked[drawn],
            timed.sampler(),
            plan,
            params,
            **wording,
            store=opened,
            what="pilot",
            budget=budget,
            job=job,
        )
    answers = answers.filter(pl.col("status") != "failed")
    if requests and not answers.height:
        raise FactoryError(
            "no request of the pilot was answered", do="see the errors with `factory generate`"
        )
    sent = {
        each.problem_id: list(each.messages)
        for each in ask_for(iter_problems(asked[drawn]), plan, params, **wording)
    }
    said = pl.Series("messages", [sent[name] for name in answers["problem_id"]], dtype=MESSAGES_TYPE)
    answers = _verified(answers).with_columns(said)
    found = forecast(
        answers,
        requests,
        prices=prices,
        seconds=timed.seconds,
        concurrency=IN_FLIGHT if section.concurrency == "auto" else section.concurrency,
        seed=seed,
    )
    if spared := planned - requests:
        each = answers["usd"].mean() if prices else None
        usd = spared * each if isinstance(each, float) else None
        found = replace(found, spared=spared, usd_spared=usd)
    write_json(note_path(out, FILE), found.as_json())
    return found, answers


def _verified(answers: pl.DataFrame) -> pl.DataFrame:
    if answers["answer"].null_count() == answers.height:
        return answers
    from factory.verification import verify_responses

    return verify_responses(answers, VerifySection())


class _Timed:
    """Notes how long a remote sampler's requests take."""

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner
        self.seconds: list[float] = []

    def sampler(self) -> Sampler:
        return _TimedRemote(self.inner, self.seconds) if isinstance(self.inner, RemoteSampler) else self.inner


class _TimedRemote:
    """A remote sampler with a stopwatch."""

    def __init__(self, inner: RemoteSampler, seconds: list[float]) -> None:
        self.inner, self.seconds = inner, seconds
        self.name, self.model, self.revision = inner.name, inner.model, inner.revision

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        return self.inner.wire_request(request)

    async def ask(self, request: SampleRequest, started: Callable[[], None] | None = None) -> Completion:
        began = time.monotonic()
        completion = await self.inner.ask(request, started)
        self.seconds.append(time.monotonic() - began)
        return completion

    async def aclose(self) -> None:
        await self.inner.aclose()
