"""A look at a generation job before anything is asked."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from factory.config.generate import GenerateSection
from factory.sampling.budget import worst_case
from factory.sampling.presets import prices_of
from factory.sampling.problems import iter_problems, planned
from factory.sampling.purchase import addressed
from factory.sampling.sampler import SamplingParams, check_prompt
from factory.sampling.store.journal import ResponseStore
from factory.sources.problems import read_problems
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
    check_prompt(section.prompt)
    rows = read_problems(patterns, seed=seed, **reading).rows
    sampler = teacher(section, seed, keyless=True)
    params = SamplingParams(section.temperature, section.top_p, section.max_tokens, seed)
    problems = iter_problems(rows)
    reused = 0
    if section.reuse:
        with TemporaryDirectory() as scratch:
            reuse = read_reuse(section.reuse, rows, store / "none", Path(scratch))
        problems = reuse.owed(problems, section.samples)
        reused = rows.height * section.samples - reuse.missing(rows.height, section.samples)
    wording: dict[str, Any] = {name: getattr(section, name) for name in ("prompt", "system", "prompts")}
    requests = planned(problems, section.samples, params, **wording)
    prices = prices_of(sampler)
    count = stored = 0
    usd = 0.0
    first = ""
    with ResponseStore(store) if store.exists() else nullcontext() as opened:
        wanted = addressed(requests, sampler)
        while chunk := list(islice(wanted, 1_000)):
            there = opened.present([item.key for item in chunk]) if opened else set()
            count += len(chunk)
            stored += len(there)
            usd += sum(worst_case(item.request, prices).usd for item in chunk if item.key not in there)
            first = first or json.dumps(sampler.wire_request(chunk[0].request), indent=2, ensure_ascii=False)
    return Preview(rows.height, count, stored, reused, usd if prices else None, first)
