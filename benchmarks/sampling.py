"""What the client costs: requests a second and CPU beside other clients, on one loopback server in one run.

    python -m benchmarks.sampling [--requests 2000] [--peers DIR] [--out FILE.json] [--docs docs/sampling.md]

Every contender runs in a process of its own against the same server with the same requests; CPU time is that process's
user + system time between the first request and the last answer. `--peers` names a folder with one virtual environment
a peer (curator, distilabel, datatrove); absent ones are left out with a message.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVER = ROOT / "tests" / "servers" / "fault_server.py"
CONCURRENT = 512
PEERS = ("curator", "distilabel", "datatrove")


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
    from factory.store.journal import ResponseStore

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
        return {"seconds": time.perf_counter() - began, "cpu": cpu() - before, "answers": answers}

    return asyncio.run(work())


def run_hold(url: str, count: int, tokens: int) -> dict:
    """512 streams of 50 tokens a second: how far behind the server's pace does one process fall?"""
    found = run_factory(url, count, tokens)
    return {**found, "ideal_seconds": tokens / 50, "core_share": found["cpu"] / found["seconds"]}


CONTENDERS = {
    "factory": run_factory,
    "openai": lambda *a: run_openai(*a, stream=False),
    "openai_stream": lambda *a: run_openai(*a, stream=True),
    "hold": run_hold,
    "rows": lambda *a: run_rows(*a),
}


class Server:
    """The fault server, without faults."""

    def __init__(self, **settings) -> None:
        command = [sys.executable, str(SERVER), json.dumps(settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict:
        """Its counts."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as reply:
            return json.load(reply)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *rest: object) -> None:
        self.process.kill()
        self.process.wait()


def contend(name: str, count: int, tokens: int, **settings) -> dict:
    """One contender in its own process, against a fresh server."""
    with Server(tokens=tokens, **settings) as server:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.sampling", "--run", name, server.url, str(count), str(tokens)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2000:]}")
        return rates(json.loads(done.stdout.splitlines()[-1]), count, server.stats()["chunks"])


def rates(found: dict, count: int, chunks: int) -> dict:
    assert found["answers"] == count, found
    return {
        **{key: round(value, 4) for key, value in found.items()},
        "requests_per_second": round(count / found["seconds"], 1),
        "cpu_ms_per_request": round(1e3 * found["cpu"] / count, 3),
        "cpu_us_per_chunk": round(1e6 * found["cpu"] / chunks, 2) if chunks else None,
    }


def contend_peer(name: str, folder: Path, count: int, tokens: int, **settings) -> dict | None:
    """A peer from its own environment, driven by benchmarks/peers/NAME.py."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        print(f"{name}: not installed in {folder}, left out", file=sys.stderr)
        return None
    with Server(tokens=tokens, **settings) as server, tempfile.TemporaryDirectory() as work:
        script = ROOT / "benchmarks" / "sampling_peers.py"
        done = subprocess.run(
            [str(python), str(script), name, server.url, str(count), str(tokens), str(CONCURRENT)],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=900,
        )
        if done.returncode:
            print(f"{name}: failed, left out: {done.stderr[-1500:]}", file=sys.stderr)
            return None
        found = json.loads(done.stdout.splitlines()[-1])
        return {**rates(found, count, 0), "version": found["version"]} if found["answers"] == count else None


def run_rows(url: str, count: int, tokens: int) -> dict:
    """The whole generate step over many small responses from a sampler that costs nothing; peak memory of the process."""
    from collections.abc import AsyncIterator, Iterable

    import factory.steps.generate as step
    from factory.recipe.generate import GenerateSection
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


def measure_memory(rows: int) -> dict:
    command = [sys.executable, "-m", "benchmarks.sampling", "--run", "rows", "-", str(rows), "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def table(result: dict) -> str:
    lines = ["| client | requests/s | CPU ms/request | CPU us/chunk |", "|---|---|---|---|"]
    for name, found in result["clients"].items():
        chunk = found.get("cpu_us_per_chunk") or "-"
        label = f"{name} {found['version']}" if "version" in found else name
        lines.append(
            f"| {label} | {found['requests_per_second']} | {found['cpu_ms_per_request']} | {chunk} |"
        )
    hold = result.get("hold")
    if hold:
        lines += [
            "",
            f"512 streams of 50 tok/s: {hold['seconds']} s for {hold['ideal_seconds']} s of tokens, ",
        ]
        lines[-1] += f"{100 * hold['core_share']:.0f}% of one core, {hold['cpu_us_per_chunk']} us a chunk."
    memory = result.get("memory")
    if memory:
        lines += [
            "",
            f"{memory['rows']:,} small responses through the whole step: at most {memory['peak_mib']} MiB, ",
        ]
        lines[-1] += f"{memory['rows_per_second']:,} rows/s, {memory['store_mib']} MiB of store."
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", nargs=4, metavar=("NAME", "URL", "COUNT", "TOKENS"))
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--memory", type=int, default=0, help="rows of the memory run; 0 leaves it out")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--docs", type=Path)
    args = parser.parse_args()
    if args.run:
        name, url, count, tokens = args.run
        print(json.dumps(CONTENDERS[name](url, int(count), int(tokens))))
        return
    count = args.requests
    clients = {
        "openai loop, whole replies": contend("openai", count, 20, chunk=20, style="inline"),
        "factory, streamed and stored": contend("factory", count, 20, chunk=20, style="inline"),
        "openai loop, 200 chunks each": contend("openai_stream", count // 8, 200, style="inline"),
        "factory, 200 chunks each, stored": contend("factory", count // 2, 200, style="inline"),
    }
    if args.peers:
        for name in PEERS:
            found = contend_peer(name, args.peers, count // 2, 20, chunk=20, style="inline")
            if found is not None:
                clients[name] = found
    result = {"concurrent": CONCURRENT, "requests": count, "clients": clients}
    result["hold"] = contend("hold", CONCURRENT, 500, rate=50, style="inline")
    if args.memory:
        result["memory"] = measure_memory(args.memory)
    print(json.dumps(result, indent=2))
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")
    if args.docs:
        from benchmarks.docs_table import renew

        renew(args.docs, "sampling", table(result))


if __name__ == "__main__":
    main()
