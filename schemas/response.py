"""A response: what a model answered to one problem, once. Teacher generations and student rollouts share it.

A response row carries the columns of its problem (schemas/problem.py, with `id` of the problem renamed
`problem_id`), so that every verb works on it alone.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from schemas.problem import PROBLEM
from schemas.table import Column, TableSchema


class ResponseStatus(StrEnum):
    """How a response ended; `COMPLETE_STATUSES` and `TRUNCATED_STATUSES` sort them."""

    COMPLETE = "complete"
    CUT_IN_REASONING = "cut_in_reasoning"
    CUT_IN_ANSWER = "cut_in_answer"
    NO_REASONING = "no_reasoning"
    REFUSED = "refused"
    LOOPED = "looped"
    EMPTY = "empty"
    FAILED = "failed"


COMPLETE_STATUSES = (ResponseStatus.COMPLETE.value, ResponseStatus.NO_REASONING.value)
"""The model ended its answer itself. Every other response is incomplete."""
TRUNCATED_STATUSES = (
    ResponseStatus.CUT_IN_REASONING.value,
    ResponseStatus.CUT_IN_ANSWER.value,
    ResponseStatus.LOOPED.value,
)
"""Ended from outside: by the token budget, or by the guard that stops a loop."""


_OWN = (
    Column(
        "response_id", pa.string(), "`r-` + 32 hex: SHA-256 of the wire request and the sample index.", True
    ),
    Column("problem_id", pa.string(), "`id` of the problem.", True),
    Column("sample_index", pa.int32(), "0, 1, ... within the problem and request.", True),
    Column("reasoning", pa.string(), "Text of the chain of thought without tags; null when there was none."),
    Column("content", pa.string(), "Text after the reasoning: the answer part."),
    Column("status", pa.string(), "`ResponseStatus`.", True),
    Column("finish_reason", pa.string(), "As the server said it: stop, length, ..."),
    Column("sampler", pa.string(), "Preset that produced it: deepseek-r1, procedural, student, ...", True),
    Column("model", pa.string(), "Model that was asked for.", True),
    Column("served_model", pa.string(), "Model name in the reply."),
    Column("model_revision", pa.string(), "Checkpoint digest for local models."),
    Column("request_key", pa.string(), "SHA-256 of the full wire request, without the sample index.", True),
    Column("temperature", pa.float64(), "Sampling temperature."),
    Column("top_p", pa.float64(), "Nucleus mass."),
    Column("max_tokens", pa.int32(), "Completion budget in tokens."),
    Column("prompt_tokens", pa.int32(), "As billed."),
    Column("completion_tokens", pa.int32(), "As billed, reasoning included."),
    Column("reasoning_tokens", pa.int32(), "Part of completion_tokens spent on reasoning, when reported."),
    Column("usd", pa.float64(), "Price of this response in US dollars by the preset's dated price list."),
    Column("error", pa.string(), "Last error of a failed response."),
)
_PROBLEM = tuple(c for c in PROBLEM.columns if c.name != "id")

RESPONSE = TableSchema("response", 1, _OWN + _PROBLEM)
