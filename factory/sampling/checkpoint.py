"""A checkpoint on this machine through transformers: the student, or a small local teacher.

Prompts are grouped by length and generated in batches. Every row draws from a generator of its own, seeded by problem
and sample index, so a sample does not depend on what else is in its batch (up to rounding in the model itself).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from factory.atomic import digest, file_digest
from factory.errors import FactoryError
from factory.run.parts import MANIFEST
from factory.sampling.sampler import Completion, SampleRequest, sample_seed

BATCH = 64
WEIGHTS = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")
"""Files of a checkpoint that decide what it answers."""


class CheckpointSampler:
    """Generates with `AutoModelForCausalLM` from a checkpoint folder.

    The model is loaded at the first request and given back by `aclose`.
    """

    def __init__(
        self, folder: Path, *, name: str = "transformers", batch_size: int = BATCH, device: str | None = None
    ) -> None:
        """At most `batch_size` rows are generated together, fewer where memory is short.

        `device` is cuda when there is one, else cpu.
        """
        self.folder, self.name, self.batch_size, self.device = folder, name, batch_size, device
        self.model = "/".join(folder.resolve().parts[-2:])
        self.revision: str = checkpoint_digest(folder)
        self._loaded: Any = None

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        """Checkpoint digest, messages and parameters; the folder's path does not matter."""
        params = request.params
        return {
            "sampler": "checkpoint",
            "revision": self.revision,
            "messages": list(request.messages),
            "temperature": params.temperature,
            "top_p": params.top_p,
            "max_tokens": params.max_tokens,
            "seed": params.seed or 0,
        }

    async def sample(
        self, requests: Iterable[SampleRequest]
    ) -> AsyncIterator[tuple[SampleRequest, Completion]]:
        """Answer requests in batches of similar prompt length."""
        wanted = list(requests)
        model = await asyncio.to_thread(self._load)
        model.given_up.clear()
        prompts = {id(r): model.encode(r.messages) for r in wanted}
        # Longest first: a batch that does not fit into memory fails at once and not after hours.
        wanted.sort(
            key=lambda r: (-r.params.max_tokens, -len(prompts[id(r)].tokens), r.problem_id, r.sample_index)
        )
        while wanted:
            # The first row is the longest.
            size = min(self.batch_size, model.rows_that_fit(prompts[id(wanted[0])], wanted[0].params))
            group, wanted = wanted[:size], wanted[size:]
            for part in _same_params(group):
                seeds = [sample_seed(r.params.seed or 0, r.problem_id, r.sample_index) for r in part]
                try:
                    done = await asyncio.to_thread(
                        model.generate, [prompts[id(r)] for r in part], part[0].params, seeds
                    )
                except asyncio.CancelledError:
                    model.given_up.set()
                    raise
                for request, completion in zip(part, done, strict=True):
                    yield request, completion

    async def aclose(self) -> None:
        """Let the model go."""
        self._loaded = None

    def _load(self) -> Any:
        if self._loaded is None:
            from factory.sampling.generation import LoadedModel

            self._loaded = LoadedModel(self.folder, self.device)
        return self._loaded


def _same_params(group: list[SampleRequest]) -> Iterable[list[SampleRequest]]:
    """Runs of requests with the same sampling parameters."""
    run: list[SampleRequest] = []
    for request in group:
        if run and request.params != run[-1].params:
            yield run
            run = []
        run.append(request)
    if run:
        yield run


def checkpoint_digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files that decide what a checkpoint answers.

    Our own manifest beside them holds the time of training: equal weights have equal digests whenever they were made.
    """
    files = sorted(p for p in folder.iterdir() if p.suffix in WEIGHTS and p.is_file() and p.name != MANIFEST)
    if not files:
        raise FactoryError(f"{folder} holds no checkpoint files")
    return digest([(p.name, file_digest(p)) for p in files])


__all__ = ["BATCH", "CheckpointSampler", "checkpoint_digest"]
