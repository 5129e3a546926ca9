"""What a sampler is: requests go in, completions come out. Teacher and student are both samplers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from schemas import ResponseStatus

Message = dict[str, str]
"""One chat message: `role` and `content`; a turn to go on with has `reasoning_content` too."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How tokens are drawn.

    `seed` is the seed of the whole job; a sampler that can be seeded derives the seed of one sample from it, the
    problem and the sample index, so that siblings differ and a sample does not depend on its neighbours.
    """

    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 32_768
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """One response that is wanted: a problem, put as messages, and the number of the sample."""

    problem_id: str
    sample_index: int
    messages: tuple[Message, ...]
    params: SamplingParams
    problem: Mapping[str, Any] = field(default_factory=dict)
    """The problem's columns (schemas/problem.py), for samplers that work from them (procedural) and for the row."""
    follow_ups: int = 0
    """How many requests came before this one for the same response, because their answers were cut."""
    parsed: bool = False
    """Goes on with a response whose reasoning came in a field of its own."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one request."""

    reasoning: str | None
    content: str | None
    status: ResponseStatus
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    usd: float | None = None
    served_model: str | None = None
    error: str | None = None
    parsed: bool = False
    """The server gave the reasoning in a field of its own."""
    doubt: str | None = None
    """What is wrong with the reply, as an alarm counts it: a usage that cannot be true, an end that nobody knows."""
    unseen: Completion | None = None
    """What the server may bill beyond this because we cut it off; booked as a broken attempt, no part of the row."""


def sample_seed(seed: int, problem_id: str, sample_index: int) -> int:
    """A seed below 2^31 that differs between siblings and does not depend on other requests."""
    text = f"{seed}:{problem_id}:{sample_index}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


@runtime_checkable
class Sampler(Protocol):
    """A source of completions.

    `name` is the preset, `model` what was asked for, `revision` the digest of a local checkpoint (None for an API).
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def revision(self) -> str | None: ...  # noqa: D102

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        """Everything that decides the answer, as JSON, without the sample index. The store's address is made of it."""
        ...

    async def aclose(self) -> None:
        """Give back connections, processes and models."""
        ...


@runtime_checkable
class GroupSampler(Sampler, Protocol):
    """A sampler that is handed many requests together."""

    def sample(self, requests: Iterable[SampleRequest]) -> AsyncIterator[tuple[SampleRequest, Completion]]:
        """Answer each request once, in any order. A request that fails comes back with status `failed`."""
        ...


@runtime_checkable
class RemoteSampler(Sampler, Protocol):
    """A sampler that answers one request at a time over the network, many at once: the scheduler drives it."""

    async def ask(self, request: SampleRequest, started: Callable[[], None] | None = None) -> Completion:
        """Answer one request, without retries; `started` is called when the server has taken it up.

        Raises:
            RetryableError: the server asked to wait, failed, or the connection broke.
            Abandoned: the task was cancelled after something had arrived.
            UsageError: the request can never succeed (wrong key, model or parameters).
        """
        ...
