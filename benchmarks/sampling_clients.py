"""The contenders of benchmarks.sampling, each run in a process of its own.

`python -m benchmarks.sampling_clients NAME URL COUNT TOKENS` prints seconds, CPU seconds (user + system of the process
between the first request and the last answer) and answers.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

CONCURRENT = 512


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def problems(count: int):
    import polars as pl

    return pl.DataFrame(
        {"id": [f"q{i}" for i in range(count)], "problem": [f"What is {i} + {i}?" for i in range(count)]}
    ).with_columns(answer=pl.lit(None, pl.String), source=pl.lit("bench"))


def run_factory(url: str, count: int, tokens: int) -> dict:
    """Ours, whole: store, group commit, limiter, splitter, loop detector."""
    from factory.sampling import SamplingParams, open_sampler
    from factory.sampling.limiter import AdaptiveLimit
    from factory.sampling.problems import iter_problems, planned, then_hang_up
    from factory.sampling.purchase import purchase
    from factory.sampling.schedule import Schedule
    from factory.sampling.store.journal import ResponseStore

    frame = problems(count)
    folder = Path(tempfile.mkdtemp())
    sampler = open_sampler("vllm", base_url=url, model="m")
    params = SamplingParams(max_tokens=tokens)
    with ResponseStore(folder) as store:
        requests = planned(iter_problems(frame), 1, params, prompt="{problem}", system=None)
        schedule = Schedule(limit=AdaptiveLimit(fixed=CONCURRENT))
        began, before = time.perf_counter(), cpu()
        tally = asyncio.run(then_hang_up(purchase(requests, sampler, store, schedule=schedule), sampler))
        found = {"seconds": time.perf_counter() - began, "cpu": cpu() - before, "answers": tally.bought}
        found["ended"] = time.monotonic()
    shutil.rmtree(folder)
    return found


def run_openai(url: str, count: int, tokens: int, *, stream: bool) -> dict:
    """A bare loop over the `openai` client; nothing is kept."""
    from openai import AsyncOpenAI

    async def work() -> dict:
        client = AsyncOpenAI(base_url=url, api_key="x", max_retries=0, timeout=600)
        names = iter(range(count))
        answers = 0

        async def worker() -> None:
            nonlocal answers
            for i in names:
                messages = [{"role": "user", "content": f"What is {i} + {i}?"}]
                reply = await client.chat.completions.create(
                    model="m", messages=messages, max_tokens=tokens, stream=stream
                )
                if stream:
                    text = [c.choices[0].delta.content async for c in reply if c.choices]
                    answers += bool(text)
                else:
                    answers += bool(reply.choices[0].message.content)

        began, before = time.perf_counter(), cpu()
        await asyncio.gather(*(worker() for _ in range(CONCURRENT)))
        seconds, ended = time.perf_counter() - began, time.monotonic()
        return {"seconds": seconds, "cpu": cpu() - before, "answers": answers, "ended": ended}

    return asyncio.run(work())


def run_hold(url: str, count: int, tokens: int) -> dict:
    """512 streams of 50 tokens a second: how far behind the server's pace does one process fall?"""
    found = run_factory(url, count, tokens)
    return {**found, "ideal_seconds": tokens / 50, "core_share": found["cpu"] / found["seconds"]}


def run_rows(url: str, count: int, tokens: int) -> dict:
    """The whole generate step over many small responses from a sampler that costs nothing; peak memory of the process."""
    from collections.abc import AsyncIterator, Iterable

    import factory.steps.generate as step
    from factory.config.generate import GenerateSection
    from factory.sampling.sampler import Completion, SampleRequest
    from schemas import ResponseStatus

    class Instant:
        name = model = "instant"
        revision = None

        def wire_request(self, request: SampleRequest) -> dict:
            return {"messages": list(request.messages)}

        async def sample(
            self, requests: Iterable[SampleRequest]
        ) -> AsyncIterator[tuple[SampleRequest, Completion]]:
            for request in requests:
                text = f"{request.problem_id} answers {request.sample_index} after some thought " * 3
                yield request, Completion(text, "so 4", ResponseStatus.COMPLETE, "stop", 12, 40, usd=0.0)

        async def aclose(self) -> None:
            pass

    step.teacher = lambda section, seed, **rest: Instant()
    frame = problems(count // 8)
    folder = Path(tempfile.mkdtemp())
    section = GenerateSection(teacher="procedural", samples=8, prompt="{problem}")
    began, before = time.perf_counter(), cpu()
    manifest = step.generate(
        lambda: frame.iter_rows(named=True),
        frame.height,
        frame.schema,
        folder / "out",
        section,
        store=folder / "store",
        seed=0,
        inputs={},
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.perf_counter() - began
    size = (folder / "store" / "responses.sqlite").stat().st_size / 2**20
    shutil.rmtree(folder)
    return {
        "rows": manifest["rows_out"],
        "peak_mib": round(peak),
        "seconds": round(seconds, 1),
        "rows_per_second": round(count / seconds),
        "store_mib": round(size),
        "cpu": round(cpu() - before, 1),
    }


CONTENDERS = {
    "factory": run_factory,
    "openai": lambda *a: run_openai(*a, stream=False),
    "openai_stream": lambda *a: run_openai(*a, stream=True),
    "hold": run_hold,
    "rows": run_rows,
}


if __name__ == "__main__":
    who, where, *numbers = sys.argv[1:]
    print(json.dumps(CONTENDERS[who](where, *map(int, numbers))))
