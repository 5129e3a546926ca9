"""Between completions, stored responses and rows of schemas.RESPONSE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from factory.sampling.sampler import Completion, Sampler, SampleRequest
from factory.sampling.store.journal import Stored, response_id
from schemas import PROBLEM, RESPONSE, ResponseStatus

FIRST, MISSING = "_first_index", "_missing"
"""Columns of a problem that has responses already: the index of the next sample, and how many samples are still owed."""
INDICES = "_indices"
"""Samples of a problem that one of several teachers is asked for."""

MESSAGES = "_messages"
"""What a problem is asked in, where a function of the user's own wrote it."""

_PROBLEM_NAMES = frozenset(PROBLEM.names) - {"id"}
REPLAY = "replay"
"""Sampler of responses that were recorded before."""
_SAID = ("reasoning", "content", "finish_reason", "reasoning_tokens", "served_model", "error")
_PARAMS = ("temperature", "top_p", "max_tokens")
_KEPT = ("sampler", "model", "status", "request_key", "prompt_tokens", "completion_tokens", "usd")
"""Columns of a response: what came back, how it was asked for, what the store keeps beside the body."""
_OWN_NAMES = frozenset({*RESPONSE.names, FIRST, MISSING, INDICES, MESSAGES}) - _PROBLEM_NAMES


def to_stored(
    key: bytes, request_key: str, request: SampleRequest, completion: Completion, sampler: Sampler
) -> Stored:
    """A completion in the form in which it is kept."""
    return Stored(
        key=key,
        request_key=request_key,
        sample_index=request.sample_index,
        sampler=sampler.name,
        model=sampler.model,
        status=str(completion.status),
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        usd=completion.usd,
        body={
            "problem_id": request.problem_id,
            **{name: getattr(completion, name) for name in (*_SAID, "parsed")},
            "model_revision": sampler.revision,
            **{name: getattr(request.params, name) for name in _PARAMS},
            **({"doubt": completion.doubt} if completion.doubt else {}),
        },
    )


def to_completion(stored: Stored) -> Completion:
    """A stored response as the completion that it was."""
    return Completion(
        status=ResponseStatus(stored.status),
        prompt_tokens=stored.prompt_tokens,
        completion_tokens=stored.completion_tokens,
        usd=stored.usd,
        parsed=stored.body.get("parsed", False),
        doubt=stored.body.get("doubt"),
        **{name: stored.body[name] for name in _SAID},
    )


def response_row(stored: Stored, problem: Mapping[str, Any], sample_index: int) -> dict[str, Any]:
    """One row of schemas.RESPONSE: the problem's columns (extra ones too) and the response's own.

    `problem_id` is the problem's own id: two problems with the same text share one bought response.
    """
    body = stored.body
    row = {name: value for name, value in problem.items() if name != "id" and name not in _OWN_NAMES}
    row |= {name: body[name] for name in (*_SAID, *_PARAMS, "model_revision")}
    row |= {name: getattr(stored, name) for name in _KEPT}
    if stored.sampler == REPLAY:  # another run's settings, which the recording may not hold
        row |= dict.fromkeys(_PARAMS)
    row |= {
        "response_id": response_id(stored.key),
        "problem_id": problem["id"],
        "sample_index": sample_index,
    }
    return row


def response_frame(rows: Sequence[Mapping[str, Any]], extra: pl.Schema | None = None) -> pl.DataFrame:
    """Rows as a frame with the declared columns and types first, then the problem's extra columns.

    Args:
        rows: dicts from `response_row`.
        extra: schema of the problems' frame, for the types of columns that are not declared.
    """
    schema = dict(declared_types())
    names: Iterable[str] = rows[0].keys() if rows else ()
    for name in [*names, *(extra or {})]:
        if name not in schema and name != "id":
            schema[name] = (extra or {}).get(name) or pl.String()
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def declared_types() -> dict[str, pl.DataType]:
    """Polars types of schemas.RESPONSE."""
    frame = pl.from_arrow(RESPONSE.empty())
    assert isinstance(frame, pl.DataFrame)
    return dict(frame.schema)
