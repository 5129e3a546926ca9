"""A look at a generation job before anything is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from factory.config.generate import GenerateSection
from factory.sampling.budget import worst_case
from factory.sampling.presets import prices_of
from factory.sampling.problems import iter_problems, planned
from factory.sampling.purchase import addressed
from factory.sampling.sampler import SamplingParams
from factory.sampling.store.journal import ResponseStore
from factory.sources.problems import read_problems
from factory.steps.generate_shares import shared_out, teachers_of
from factory.steps.own_prompt import with_messages
from factory.steps.reuse import read_reuse
from factory.steps.teacher import teacher


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would ask for."""

    problems: int
    requests: int
    stored: int
    reused: int
    worst_usd: float | None
    first: str
    """The first request as it would be sent, indented JSON."""


def preview(
    patterns: list[str], section: GenerateSection, *, store: Path, seed: int, **reading: Any
) -> Preview:
    """Look at a job without asking anything. The key is not needed."""
    rows = with_messages(read_problems(patterns, seed=seed, **reading).rows, section)
    problems: Callable[[], Iterator[dict[str, Any]]] = partial(iter_problems, rows)
    reused = 0
    if section.reuse:
        with TemporaryDirectory() as scratch:
            reuse = read_reuse(section.reuse, rows, store / "none", Path(scratch))
        problems = lambda: reuse.owed(iter_problems(rows), section.samples)  # noqa: E731
        reused = rows.height * section.samples - reuse.missing(rows.height, section.samples)
    seen = []
    with ResponseStore(store) if store.exists() else nullcontext() as opened:
        for place, own in enumerate(teachers_of(section)):
            asked = shared_out(problems, section, place) if section.others else problems()
            seen.append(_asked(own, asked, opened, seed))
    worst = [each.worst_usd for each in seen if each.worst_usd is not None]
    return Preview(
        rows.height,
        sum(each.requests for each in seen),
        sum(each.stored for each in seen),
        reused,
        sum(worst) if len(worst) == len(seen) else None,
        next((each.first for each in seen if each.first), ""),
    )


def _asked(
    section: GenerateSection, problems: Iterator[dict[str, Any]], store: ResponseStore | None, seed: int
) -> Preview:
    """What one teacher would be asked for."""
    sampler = teacher(section, seed, keyless=True)
    params = SamplingParams(section.temperature, section.top_p, section.max_tokens, seed)
    wording: dict[str, Any] = {name: getattr(section, name) for name in ("prompt", "system", "prompts")}
    prices = prices_of(sampler)
    count = stored = 0
    usd = 0.0
    first = ""
    wanted = addressed(planned(problems, section.samples, params, **wording), sampler)
    while chunk := list(islice(wanted, 1_000)):
        there = store.present([item.key for item in chunk]) if store else set()
        count += len(chunk)
        stored += len(there)
        usd += sum(worst_case(item.request, prices).usd for item in chunk if item.key not in there)
        first = first or json.dumps(sampler.wire_request(chunk[0].request), indent=2, ensure_ascii=False)
    return Preview(0, count, stored, 0, usd if prices else None, first)
