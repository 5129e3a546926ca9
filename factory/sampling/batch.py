"""OpenAI's Batch API: submit a file of requests, wait up to a day, pay half.

Submitted batches are noted beside the store, so a run that is stopped while it
waits finds its batches again and submits nothing twice.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from factory.atomic import read_json, write_json
from factory.errors import FactoryError, UsageError
from factory.redaction import told
from factory.sampling.http import HttpSampler
from factory.sampling.response_parser import Reply
from factory.sampling.sampler import Completion, SampleRequest, sample_seed
from factory.sampling.store.journal import request_key, response_id, response_key
from schemas import ResponseStatus

POLL_SECONDS = 30.0
LOOKS = 10
"""How often the provider's list is read before an order that may not have arrived counts as never made."""
OVER = {"failed", "expired", "cancelled"}


class BatchSampler:
    """An endpoint with OpenAI's Batch API, through the `openai` client.

    A request that is part of a noted batch waits for that one; the others are submitted together as a new one.
    """

    def __init__(
        self, inner: HttpSampler, key: str | None, folder: Path, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        """`inner` gives dialect, model and prices; submitted batches are noted in `folder`.

        Raises:
            UsageError: the `openai` client is not installed.
        """
        if find_spec("openai") is None:
            raise UsageError("--batch needs openai", do="pip install 'cot-factory[batch]'")
        self.inner, self.folder, self.poll_seconds = inner, folder, poll_seconds
        self.preset, self.name, self.model, self.revision = (
            inner.preset,
            inner.name,
            inner.model,
            inner.revision,
        )
        self._key = key
        self._handled: list[Path] = []

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        """The same as for the endpoint's streamed requests: what was bought there is not bought again here."""
        return self.inner.wire_request(request)

    async def sample(
        self, requests: Iterable[SampleRequest]
    ) -> AsyncIterator[tuple[SampleRequest, Completion]]:
        """Submit all requests as one batch (or find the one that was), wait for it, and read its answers.

        Raises:
            FactoryError: the provider gave the batch up.
            UsageError: the provider refuses it.
        """
        import openai

        named = {self._name(request): request for request in requests}
        client = openai.AsyncOpenAI(
            base_url=self.inner.endpoints.all[0].base, api_key=self._key or "none", max_retries=2
        )
        try:
            async with client:
                await self._settle_intents(client)
                for note in [*self._notes(), None]:
                    ids = [name for name in named if note is None or name in read_json(note)["ids"]]
                    if not ids:
                        continue
                    part = {name: named.pop(name) for name in ids}
                    note = note or await self._submit(client, part)
                    answers = await self._wait(client, note, part)
                    self._handled.append(note)
                    for name, request in part.items():
                        yield (
                            request,
                            answers.get(name) or _failed("the batch came back without this request"),
                        )
        except openai.APIStatusError as error:
            said = f"{self.name}: the Batch API answered HTTP {error.status_code}: {error.message}"
            if error.status_code == 429 or error.status_code >= 500:
                raise FactoryError(said, do="run it again") from error
            raise UsageError(said, do="check the key and the model") from error
        except openai.APIConnectionError as error:
            raise FactoryError(
                f"{self.name}: cannot reach the Batch API ({error})", do="run it again"
            ) from error

    async def aclose(self) -> None:
        """Forget batches whose answers were handed over, and close the connections."""
        for note in self._handled:
            note.unlink(missing_ok=True)
        self._handled.clear()
        await self.inner.aclose()

    def _notes(self) -> list[Path]:
        return sorted(self.folder.glob("batch-*.json"))

    def _name(self, request: SampleRequest) -> str:
        return response_id(response_key(request_key(self.wire_request(request)), request.sample_index))

    async def _submit(self, client: Any, part: dict[str, SampleRequest]) -> Path:
        """Submit requests as one batch, and note it."""
        lines = [
            {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": self._body(request)}
            for name, request in part.items()
        ]
        data = b"\n".join(orjson.dumps(line) for line in lines)
        token = uuid.uuid4().hex
        note = self.folder / f"batch-{token}.json"
        # The intent is on the disk before anything is ordered: a run that is killed here finds the batch by its token.
        write_json(note, {"batch": None, "token": token, "file": None, "ids": list(part)})
        file = await client.files.create(file=("requests.jsonl", data), purpose="batch")
        write_json(note, {"batch": None, "token": token, "file": file.id, "ids": list(part)})
        # Not retried: an order whose reply was lost is looked for in the provider's list instead.
        batch = await client.with_options(max_retries=0).batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"cot_factory": token},
        )
        write_json(note, {"batch": batch.id, "token": token, "ids": list(part)})
        return note

    async def _settle_intents(self, client: Any) -> None:
        """Find out what became of orders that were noted and never confirmed.

        The provider may list an order late, so one whose file was uploaded is looked for `LOOKS` times.
        """
        open_notes = {
            str(found["token"]): (path, found)
            for path in self._notes()
            if not (found := read_json(path))["batch"]
        }
        for look in range(LOOKS):
            # Notes of former versions do not say whether the file was uploaded.
            if not any(found.get("file", "unknown") for _, found in open_notes.values()):
                break
            if look:
                await asyncio.sleep(self.poll_seconds)
            async for batch in client.batches.list(limit=100):
                note = open_notes.pop(str((batch.metadata or {}).get("cot_factory")), None)
                if note is not None:
                    write_json(note[0], {**note[1], "batch": batch.id})
        for path, _ in open_notes.values():
            path.unlink(missing_ok=True)

    def _body(self, request: SampleRequest) -> dict[str, Any]:
        body = self.wire_request(request)["body"]
        if "seed" in body:
            body["seed"] = sample_seed(body["seed"], request.problem_id, request.sample_index)
        return dict(body)

    async def _wait(self, client: Any, note: Path, part: dict[str, SampleRequest]) -> dict[str, Completion]:
        batch_id = read_json(note)["batch"]
        while True:
            batch = await client.batches.retrieve(batch_id)
            if batch.status == "completed":
                break
            if batch.status in OVER:
                note.unlink(missing_ok=True)
                if not batch.output_file_id:
                    raise FactoryError(
                        f"batch {batch_id} is {batch.status}", do="run it again to resubmit it"
                    )
                break
            await asyncio.sleep(self.poll_seconds)
        if not batch.output_file_id:
            return {}
        content = await client.files.content(batch.output_file_id)
        return dict(self._read(line, part) for line in content.content.splitlines() if line.strip())

    def _read(self, line: bytes, part: dict[str, SampleRequest]) -> tuple[str, Completion]:
        """One line of a batch's output. Whatever it holds, it costs one request and not the batch."""
        name = ""
        try:
            item = orjson.loads(line)
            name = str(item["custom_id"])
            response = item.get("response") or {}
            if response.get("status_code") != 200:
                return name, _failed(told(str(item.get("error") or response), 300))
            reply = Reply(prefilled=self.preset.prefilled, stop_loops=False)
            reply.whole(orjson.dumps(response["body"]))
            completion = reply.completion()
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            return name, _failed(told(f"a line of the batch cannot be read: {error}", 300))
        if name not in part:
            return name, completion
        return name, self.inner.costed(completion, part[name], self.preset.batch_discount or 0.5)


def _failed(error: str) -> Completion:
    return Completion(None, None, ResponseStatus.FAILED, error=error)
