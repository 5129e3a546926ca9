"""The embedded teacher: works procedural problems out itself, so that the whole factory runs without key or network."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from typing import Any

from factory.errors import UsageError
from factory.sampling.procedural_trace import Habits, Trace, count_tokens, first_tokens, write_trace
from factory.sampling.sampler import Completion, SampleRequest
from factory.sources.families import EVERY_FAMILY, Family, Params, Style
from schemas import ResponseStatus

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
