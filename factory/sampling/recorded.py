"""Replay: answers from responses that were recorded before, so a pipeline can be run again without its teacher."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest, file_digest
from factory.errors import UsageError
from factory.sampling.rows import REPLAY
from factory.sampling.sampler import Completion, SampleRequest
from schemas import ResponseStatus

NEEDED = ("problem", "content", "status")


class ReplaySampler:
    """Gives each problem its recorded responses, in the order of their sample index.

    Problems are matched by their text. A sample beyond the recorded ones fails with a reason.
    """

    def __init__(self, source: Path) -> None:
        """Read the recording: a Parquet file, or a folder with `part-*.parquet`, of schemas.RESPONSE.

        Raises:
            UsageError: there is none, or it lacks a column.
        """
        paths = sorted(source.glob("part-*.parquet")) if source.is_dir() else [source]
        if not paths or not all(path.is_file() for path in paths):
            raise UsageError(
                f"{source} holds no recorded responses", do="name a folder that `generate` wrote"
            )
        frame = pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed")
        missing = [name for name in NEEDED if name not in frame.columns]
        if missing:
            raise UsageError(
                f"{source} has no column {', '.join(missing)}", do="replay what `generate` wrote"
            )
        self.name = REPLAY
        self.model = source.name
        self.revision: str = digest([file_digest(path) for path in paths])
        self._recorded: dict[str, list[dict[str, Any]]] = {}
        if "sample_index" in frame.columns:
            frame = frame.sort("sample_index", maintain_order=True)
        for row in frame.iter_rows(named=True):
            self._recorded.setdefault(row["problem"], []).append(row)

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        """The recording's digest and the problem's text."""
        return {"sampler": self.name, "revision": self.revision, "problem": request.problem.get("problem")}

    async def sample(
        self, requests: Iterable[SampleRequest]
    ) -> AsyncIterator[tuple[SampleRequest, Completion]]:
        """Answer from the recording."""
        for request in requests:
            yield request, self._answer(request)

    async def aclose(self) -> None:
        """Nothing to give back."""

    def _answer(self, request: SampleRequest) -> Completion:
        rows = self._recorded.get(str(request.problem.get("problem")), [])
        if request.sample_index >= len(rows):
            error = f"only {len(rows)} responses to this problem were recorded"
            return Completion(None, None, ResponseStatus.FAILED, error=error)
        row = rows[request.sample_index]
        return Completion(
            reasoning=row.get("reasoning"),
            content=row["content"],
            status=ResponseStatus(row["status"]),
            finish_reason=row.get("finish_reason"),
            prompt_tokens=row.get("prompt_tokens"),
            completion_tokens=row.get("completion_tokens"),
            reasoning_tokens=row.get("reasoning_tokens"),
            usd=0.0,
            served_model=row.get("served_model") or row.get("model"),
        )
