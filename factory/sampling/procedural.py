"""The embedded teacher: works procedural problems out itself, so that the whole factory runs without key or network.

A trace is right or slipped, whole, cut or looping. A slip is one wrong value in the middle of the work; everything after
it goes on from that value, so the trace reads like any other and only its answer is wrong. Whether a trace slips, takes
wrong turns, starts over, loops or breaks off is drawn from a generator that is seeded by job, problem and sample.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from factory.errors import UsageError
from factory.sampling.sampler import Completion, SampleRequest
from factory.sources.families import EVERY_FAMILY, Answer, Family, Params, Scratch, Style
from factory.sources.families.scratch import misread, show
from schemas import ResponseStatus

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Habits:
    """How often the teacher does what, as shares of its responses (wrong turns: of its steps)."""

    slip_rate: float = 0.25
    """Wrong final answer."""
    loop_rate: float = 0.02
    """Goes round in circles until the budget is gone."""
    cut_rate: float = 0.02
    """Breaks off in the middle of its reasoning."""
    wrong_turn_rate: float = 0.08
    """A step is first done wrong, noticed and done again (long style)."""
    redo_rate: float = 0.12
    """A whole attempt goes wrong, its check fails, and it starts over (long style)."""
    skip_rate: float = 0.0
    """A step is done in the head and not written down (terse style)."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A chain of thought and the answer below it; `content` is empty when the trace never got that far."""

    reasoning: str
    content: str
    slipped: bool = False
    looped: bool = False
    cut: bool = False


def write_trace(
    family: Family, params: Params, rng: random.Random, habits: Habits, *, terse: bool = False
) -> Trace:
    """Work one problem out.

    Args:
        family: the family that solves it.
        params: the problem's parameters.
        rng: decides every choice; an equal generator gives an equal trace.
        habits: how often things go wrong.
        terse: one compact line instead of a long chain.
    """
    slips = rng.random() < habits.slip_rate
    fate = rng.random()
    answer, lines = (
        _slipped(family, params, rng, habits, terse) if slips else _right(family, params, rng, habits, terse)
    )
    reasoning = "; ".join(lines) if terse else _long(family, rng, lines, answer)
    if fate < habits.loop_rate:
        return Trace(_looping(rng, lines, terse), "", slips, looped=True)
    if fate < habits.loop_rate + habits.cut_rate:
        return Trace(_broken_off(rng, reasoning), "", slips, cut=True)
    return Trace(reasoning, _answer(family, rng, answer, terse), slips)


def count_tokens(text: str) -> int:
    """Words, numbers and signs: the procedural teacher's tokens."""
    return len(_TOKEN.findall(text))


def first_tokens(text: str, count: int) -> str:
    """The beginning of a text that holds `count` tokens."""
    for number, match in enumerate(_TOKEN.finditer(text)):
        if number == count:
            return text[: match.start()].rstrip()
    return text


def _right(
    family: Family, params: Params, rng: random.Random, habits: Habits, terse: bool
) -> tuple[Answer, list[str]]:
    lines: list[str] = []
    if not terse and rng.random() < habits.redo_rate:
        lines = _failed_attempt(family, params, rng)
    pad = _paper(rng, habits, terse)
    answer = family.solve(params, pad)
    return answer, [*lines, *pad.lines]


def _failed_attempt(family: Family, params: Params, rng: random.Random) -> list[str]:
    """A wrong attempt whose check shows that it is wrong, and the decision to start over; empty if no check would."""
    for place in _places(family, params, rng):
        pad = Scratch(rng, slip_at=place, honest=True)
        family.solve(params, pad)
        if pad.caught:
            return [*pad.lines, rng.choice(RESTARTS)]
    return []


def _slipped(
    family: Family, params: Params, rng: random.Random, habits: Habits, terse: bool
) -> tuple[Answer, list[str]]:
    right = family.answer(params)
    for place in _places(family, params, rng):
        pad = _paper(rng, habits, terse, slip_at=place)
        answer = family.solve(params, pad)
        if answer != right:
            return answer, pad.lines
    pad = _paper(rng, habits, terse)
    family.solve(params, pad)
    # A constrained type variable cannot take the union, though each of its members is fine.
    return misread(rng, right), pad.lines  # type: ignore[type-var]


def _paper(rng: random.Random, habits: Habits, terse: bool, slip_at: int | None = None) -> Scratch:
    if terse:
        return Scratch(rng, terse=True, slip_at=slip_at, skips=habits.skip_rate)
    return Scratch(rng, slip_at=slip_at, wrong_turns=habits.wrong_turn_rate)


def _places(family: Family, params: Params, rng: random.Random) -> list[int]:
    """The steps at which a slip is tried, those in the middle first."""
    pad = Scratch(random.Random(0))
    family.solve(params, pad)
    middle = list(range(1, pad.steps - 1))
    ends = [step for step in (0, pad.steps - 1) if 0 <= step < pad.steps and step not in middle]
    rng.shuffle(middle)
    rng.shuffle(ends)
    return [*middle, *dict.fromkeys(ends)]


def _long(family: Family, rng: random.Random, lines: list[str], answer: Answer) -> str:
    opening, closing = rng.choice(OPENINGS), rng.choice(family.closings or CLOSINGS)
    return "\n".join([opening, *lines, closing.format(show(answer))])


def _answer(family: Family, rng: random.Random, answer: Answer, terse: bool) -> str:
    if family.answers:
        return (family.answers[0] if terse else rng.choice(family.answers)).replace("ANSWER", show(answer))
    if terse:
        return f"\\boxed{{{show(answer)}}}"
    return rng.choice(ANSWERS).replace("ANSWER", f"\\boxed{{{_latex(answer)}}}")


def _latex(answer: Answer) -> str:
    if isinstance(answer, Fraction) and answer.denominator != 1:
        sign = "-" if answer < 0 else ""
        return f"{sign}\\frac{{{abs(answer.numerator)}}}{{{answer.denominator}}}"
    return show(answer)


def _looping(rng: random.Random, lines: list[str], terse: bool) -> str:
    start = rng.randrange(len(lines))
    circle = lines[start : start + rng.randint(1, 3)]
    if terse:
        return "; ".join([*lines[:start], *circle * 12])
    doubt = rng.choice(DOUBTS)
    return "\n".join([rng.choice(OPENINGS), *lines[:start], *[*circle, doubt] * 25])


def _broken_off(rng: random.Random, reasoning: str) -> str:
    return reasoning[: max(1, int(len(reasoning) * rng.uniform(0.3, 0.9)))].rstrip()


OPENINGS = (
    "Okay, let me think about this step by step.",
    "Let me work through this carefully.",
    "Alright, let me see what is asked and what is given.",
    "First I want to understand the problem, then I will do the computation.",
    "Let me start by writing down what I know.",
    "So I need to find the requested number. Let me go slowly.",
)
CLOSINGS = (
    "So the answer is {}.",
    "Therefore the result is {}.",
    "Hence I get {}.",
    "That makes the final answer {}.",
)
RESTARTS = (
    "So there must be an error somewhere above. Let me start over and be more careful.",
    "Hmm, so I slipped somewhere. Let me do the whole thing again from the beginning.",
    "That means that this attempt is wrong. I discard it and begin again.",
)
DOUBTS = (
    "Wait, let me check that again.",
    "Hmm, I am not sure about this. Let me redo it.",
    "But wait, is that right? Let me look at it once more.",
)
ANSWERS = (
    "The answer is ANSWER.",
    "**Answer:** ANSWER",
    "After working through all the steps, the final answer is ANSWER.",
    "Final answer: ANSWER",
    "The result of the computation above is ANSWER.",
)


VERSION = 1
"""Rises when the same request would get another trace, so that stored traces are not taken for new ones."""


class ProceduralSampler:
    """A teacher that reads family and parameters from the problem's metadata and writes the solution down.

    A trace depends on the job's seed, the problem's id and the sample index alone.
    """

    name = "procedural"
    model = "procedural"
    revision: str | None = None

    def __init__(self, slip_rate: float = 0.25, seed: int = 0, **habits: float) -> None:
        """Choose the teacher's habits.

        Args:
            slip_rate: share of responses with a wrong final answer.
            seed: used when a request's parameters name none.
            **habits: further fields of `Habits`: `loop_rate`, `cut_rate`, `wrong_turn_rate`, `redo_rate`,
                `skip_rate`.

        Raises:
            UsageError: a habit is unknown or no share from 0 to 1.
        """
        known = set(Habits.__slots__)
        habits["slip_rate"] = slip_rate
        for name, value in habits.items():
            if name not in known:
                raise UsageError(
                    f"the procedural teacher has no {name}", do=f"known: {', '.join(sorted(known))}"
                )
            if not 0 <= value <= 1:
                raise UsageError(f"{name} must be from 0 to 1, not {value}")
        self.seed, self.habits = seed, Habits(**habits)

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        """What decides the trace: the problem with its metadata, the habits, the seed and the budget."""
        return {
            "model": self.model,
            "version": VERSION,
            "messages": list(request.messages),
            "problem_id": request.problem_id,
            "metadata": request.problem.get("metadata"),
            "habits": asdict(self.habits),
            "seed": self._seed(request),
            "max_tokens": request.params.max_tokens,
        }

    async def sample(
        self, requests: Iterable[SampleRequest]
    ) -> AsyncIterator[tuple[SampleRequest, Completion]]:
        """Answer each request, in order."""
        for request in requests:
            yield request, self.answer(request)

    async def aclose(self) -> None:
        """Nothing is held open."""

    def answer(self, request: SampleRequest) -> Completion:
        """The completion of one request; status `failed` when the problem belongs to no family."""
        found = _family(request)
        if isinstance(found, str):
            return Completion(None, None, ResponseStatus.FAILED, error=found, usd=0.0)
        family, params, style = found
        try:
            trace = write_trace(
                family, params, self._generator(request), self.habits, terse=style == Style.TERSE
            )
        except (KeyError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            reason = (
                f"problem {request.problem_id}: its metadata does not fit family {family.name} ({error!r})"
            )
            return Completion(None, None, ResponseStatus.FAILED, error=reason, usd=0.0)
        return self._complete(request, trace)

    def reaches_answer(self, request: SampleRequest) -> bool | None:
        """Whether the trace of a request ends with the right answer; None when it ends without one.

        Raises:
            UsageError: the problem belongs to no family.
        """
        found = _family(request)
        if isinstance(found, str):
            raise UsageError(found)
        family, params, style = found
        trace = write_trace(family, params, self._generator(request), self.habits, terse=style == Style.TERSE)
        return not trace.slipped if trace.content else None

    def _seed(self, request: SampleRequest) -> int:
        return self.seed if request.params.seed is None else request.params.seed

    def _generator(self, request: SampleRequest) -> random.Random:
        place = f"{self._seed(request)}|{request.problem_id}|{request.sample_index}"
        return random.Random(hashlib.sha256(place.encode()).digest())

    def _complete(self, request: SampleRequest, trace: Trace) -> Completion:
        """Hold a trace against the token budget."""
        budget = request.params.max_tokens
        thought, said = count_tokens(trace.reasoning), count_tokens(trace.content)
        reasoning, content = trace.reasoning, trace.content
        if thought >= budget or trace.cut:
            status, finish = ResponseStatus.CUT_IN_REASONING, "length"
            reasoning, content = first_tokens(reasoning, budget), ""
        elif trace.looped:
            status, finish = ResponseStatus.LOOPED, "length"
        elif thought + said > budget:
            status, finish = ResponseStatus.CUT_IN_ANSWER, "length"
            content = first_tokens(content, budget - thought)
        else:
            status, finish = ResponseStatus.COMPLETE, "stop"
        reasoning_tokens = count_tokens(reasoning)
        return Completion(
            reasoning=reasoning,
            content=content or None,
            status=status,
            finish_reason=finish,
            prompt_tokens=sum(count_tokens(message["content"]) for message in request.messages),
            completion_tokens=reasoning_tokens + count_tokens(content),
            reasoning_tokens=reasoning_tokens,
            usd=0.0,
            served_model=self.model,
        )


def _family(request: SampleRequest) -> tuple[Family, Params, Style] | str:
    """Family, parameters and style of a request's problem; or what is wrong with it."""
    try:
        metadata = json.loads(request.problem.get("metadata") or "{}")
        family = EVERY_FAMILY[metadata["family"]]
        params, style = metadata["params"], Style(metadata.get("style", Style.LONG))
    except (KeyError, TypeError, ValueError):
        return (
            f"problem {request.problem_id} comes from no procedural family; the procedural teacher solves only "
            "procedural: problems - choose another --teacher for these"
        )
    return family, params, style
