"""What a job did in this session: attempts, answers, tokens, dollars, latencies. Nothing of it decides a row."""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from factory.numbers import dollars, percent
from factory.sampling.sampler import Completion
from schemas import ResponseStatus

CUT = (ResponseStatus.CUT_IN_REASONING, ResponseStatus.CUT_IN_ANSWER)
LATENCIES = 10_000
"""Of more answers a sample of so many is kept."""
TELLING = 0.01
"""Share from which a hint is given."""
KINDS = {
    "throttled": "throttled (429)",
    "server": "server errors",
    "unreachable": "unreachable",
    "stalled": "stalled",
}
"""Kinds of trouble (`factory.sampling.retry.Trouble`) in words."""


@dataclass(slots=True)
class Session:
    """Counts of one process; those of several are added up."""

    attempts: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    """Attempts that failed, by kind of trouble."""
    answered: int = 0
    reused: int = 0
    """Answers that were in the store already."""
    failed: int = 0
    """Requests on which every attempt failed."""
    truncated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: float = 0.0
    """As reported; where a server says nothing, by the share of the letters."""
    usd: float = 0.0
    priced: int = 0
    latencies: list[float] = field(default_factory=list)
    """Seconds from sending an attempt to its whole answer."""
    timed: int = 0
    began: float = field(default_factory=time.monotonic)

    def took(self, seconds: float) -> None:
        """An attempt was answered; which ones are kept of many is drawn evenly."""
        self.timed += 1
        if len(self.latencies) < LATENCIES:
            self.latencies.append(seconds)
        elif (place := random.randrange(self.timed)) < LATENCIES:
            self.latencies[place] = seconds

    def see(self, completion: Completion, bought: bool) -> None:
        """Count an answer."""
        if not bought:
            self.reused += 1
            return
        self.usd += completion.usd or 0.0
        self.priced += completion.usd is not None
        if completion.status == ResponseStatus.FAILED:
            self.failed += 1
            return
        self.answered += 1
        self.truncated += completion.status in CUT
        self.prompt_tokens += completion.prompt_tokens or 0
        tokens = completion.completion_tokens or 0
        self.completion_tokens += tokens
        if completion.reasoning_tokens is not None:
            self.reasoning_tokens += completion.reasoning_tokens
        else:
            thought, said = len(completion.reasoning or ""), len(completion.content or "")
            self.reasoning_tokens += tokens * thought / max(1, thought + said)

    def facts(self) -> dict[str, Any]:
        """Plain numbers, as a step's manifest keeps them."""
        found = {
            name: getattr(self, name)
            for name in ("attempts", "answered", "reused", "failed", "truncated", "prompt_tokens", "completion_tokens")
        }  # fmt: skip
        found["reasoning_tokens"] = round(self.reasoning_tokens)
        found["broken"] = dict(sorted(self.broken.items()))
        found["usd"] = round(self.usd, 9) if self.priced else None
        found["seconds"] = round(time.monotonic() - self.began, 3)
        if self.latencies:
            found["latency_median"] = round(statistics.median(self.latencies), 3)
            found["latency_p95"] = round(sorted(self.latencies)[int(0.95 * (len(self.latencies) - 1))], 3)
        return found


def together(sessions: Sequence[Session]) -> Session:
    """The sessions of several processes or teachers as one, which began with the first of them."""
    total = Session(began=sessions[0].began)
    for each in sessions:
        for name in Session.__dataclass_fields__:
            if name != "began":
                setattr(total, name, getattr(total, name) + getattr(each, name))
    return total


def session_lines(
    facts: Mapping[str, Any],
    *,
    accepted: int | None = None,
    of: int | None = None,
    policy: str = "keep",
    in_recipe: bool = False,
) -> list[str]:
    """What the end of a job says.

    Args:
        facts: `Session.facts`.
        accepted: answers that are verified correct, where that is known.
        of: answers that were looked at.
        policy: what becomes of truncated answers (`generate.truncation`).
        in_recipe: settings are keys of a recipe, not flags.
    """
    broken = ", ".join(f"{n:,} {KINDS.get(kind, kind)}" for kind, n in facts["broken"].items())
    head = f"this session: {facts['answered']:,} answered, {facts['reused']:,} reused"
    if facts["failed"]:
        head += f", {facts['failed']:,} failed"
    if facts["attempts"]:
        head += f"; {facts['attempts']:,} attempts" + (f": {broken}" if broken else "")
    lines = [head]
    if facts["answered"]:
        tokens, thought = facts["completion_tokens"], facts["reasoning_tokens"]
        lines.append(
            f"tokens: {thought:,} reasoning, {max(0, tokens - thought):,} answer, {facts['prompt_tokens']:,} prompt"
        )
        pace = f"{facts['answered'] / max(facts['seconds'], 1e-3):,.1f}/s"
        if "latency_median" in facts:
            pace += (
                f"; latency median {seconds(facts['latency_median'])}, p95 {seconds(facts['latency_p95'])}"
            )
        lines.append(f"pace: {pace}")
    if facts["attempts"] or facts["usd"]:
        lines.append("cost: " + "; ".join(_cost(facts, accepted, of)))
    return lines + [f"hint: {each}" for each in hints(facts, policy, in_recipe)]


def _cost(facts: Mapping[str, Any], accepted: int | None, of: int | None) -> list[str]:
    usd = facts["usd"]
    said = [dollars(usd) if usd is not None else "no price is known (--price IN,OUT)"]
    if accepted is not None and of:
        said.append(f"accept rate {percent(accepted, of)}")
        if usd and accepted:
            said.append(f"{per_row(usd, accepted)} per correct row")
    return said


def per_row(usd: float, rows: int) -> str:
    """Dollars per row, three digits."""
    return dollars(float(f"{usd / rows:.3g}"))


def hints(facts: Mapping[str, Any], policy: str, in_recipe: bool) -> list[str]:
    """What to do about what stands out."""
    found, answered, attempts = [], facts["answered"], facts["attempts"]

    def setting(name: str, value: str = "") -> str:
        plain = f"generate.{name.replace('-', '_')}" + (f"={value}" if value else "")
        return plain if in_recipe else f"--{name}" + (f" {value}" if value else "")

    if answered and facts["truncated"] / answered >= TELLING:
        share = percent(facts["truncated"], answered)
        do = (
            setting("truncation", "larger")
            if attempts and policy == "keep"
            else f"a larger {setting('max-tokens')}"
        )
        found.append(f"{share} truncated: {do}")
    if attempts and facts["broken"].get("throttled", 0) / attempts >= 0.1:
        share = percent(facts["broken"]["throttled"], attempts)
        found.append(
            f"{share} of the attempts were throttled: {setting('rpm', 'N')}, or a lower {setting('concurrency')}"
        )
    if facts["failed"]:
        found.append(f"{facts['failed']:,} requests failed: the same command retries them")
    return found


def seconds(value: float) -> str:
    """`0.31 s`, `12.4 s`, `3.2 min`."""
    return f"{value / 60:.1f} min" if value >= 90 else f"{value:.3g} s"
