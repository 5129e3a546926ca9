"""One peer's own client over the same server and requests; run by benchmarks.sampling inside the peer's environment.

python sampling_peers.py NAME URL COUNT TOKENS CONCURRENT
"""

import json
import os
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path


def curator(url: str, count: int, tokens: int, concurrent: int) -> tuple[str, int]:
    os.environ |= {"OPENAI_API_KEY": "x", "CURATOR_DISABLE_CACHE": "1", "TELEMETRY_ENABLED": "0"}
    os.environ |= {"CURATOR_CACHE_DIR": str(Path.cwd()), "CURATOR_DISABLE_RICH_DISPLAY": "1"}
    from bespokelabs import curator as peer

    llm = peer.LLM(
        model_name="m",
        backend="openai",
        backend_params={
            "base_url": url,
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 10_000_000_000,
            "max_concurrent_requests": concurrent,
        },
        generation_params={"max_tokens": tokens},
    )
    result = llm([f"What is {i} + {i}?" for i in range(count)])
    rows = getattr(result, "dataset", result)
    return version("bespokelabs-curator"), len(rows)


def distilabel(url: str, count: int, tokens: int, concurrent: int) -> tuple[str, int]:
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    with Pipeline(cache_dir=str(Path.cwd())) as pipeline:
        load = LoadDataFromDicts(
            data=[{"instruction": f"What is {i} + {i}?"} for i in range(count)], batch_size=concurrent
        )
        llm = OpenAILLM(model="m", base_url=url, api_key="x", generation_kwargs={"max_new_tokens": tokens})
        load >> TextGeneration(llm=llm, input_batch_size=concurrent)
    result = pipeline.run(use_cache=False)
    return version("distilabel"), len(result["default"]["train"])


PEERS = {"curator": curator, "distilabel": distilabel}


def main() -> None:
    name, url, *numbers = sys.argv[1:]
    if name not in PEERS:
        raise SystemExit(f"no driver for {name}")
    began = time.perf_counter()
    release, answers = PEERS[name](url, *map(int, numbers))
    seconds = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in used)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "answers": answers, "version": release}))


if __name__ == "__main__":
    main()
