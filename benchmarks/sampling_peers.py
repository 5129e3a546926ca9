"""One peer's own client over the same server and requests; run by benchmarks.sampling inside the peer's environment.

python sampling_peers.py NAME URL COUNT TOKENS CONCURRENT
"""

import json
import os
import resource
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path


def curator(url: str, count: int, tokens: int, concurrent: int) -> tuple[str, int]:
    os.environ |= {"OPENAI_API_KEY": "x", "CURATOR_DISABLE_CACHE": "1", "TELEMETRY_ENABLED": "0"}
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # Otherwise it looks for the network first.
    os.environ |= {"CURATOR_CACHE_DIR": str(Path.cwd()), "CURATOR_DISABLE_RICH_DISPLAY": "1"}
    # The tokenizer's table is fetched from the network, too; litellm, which it depends on, brings a copy.
    tables = Path(find_spec("litellm").origin).parent / "litellm_core_utils" / "tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(tables)
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


def datatrove(
    url: str, count: int, tokens: int, concurrent: int, checkpoints: str | None = None
) -> tuple[str, int]:
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter

    async def ask(document: Document, generate):
        reply = await generate(
            {"messages": [{"role": "user", "content": document.text}], "max_tokens": tokens}
        )
        return reply.text

    config = InferenceConfig(
        server_type="endpoint",
        endpoint_url=url.removesuffix("/v1"),
        model_name_or_path="m",
        max_concurrent_generations=concurrent,
        metric_interval=3600,
    )
    writer = JsonlWriter("out", output_filename="${rank}_${chunk_index}.jsonl", compression=None)
    runner = InferenceRunner(ask, config, writer, checkpoints_local_dir=checkpoints)
    runner.run([Document(text=f"What is {i} + {i}?", id=str(i)) for i in range(count)])
    rows = sum(len(path.read_text().splitlines()) for path in Path("out").glob("*.jsonl"))
    return version("datatrove"), rows


def datatrove_checkpoints(url: str, count: int, tokens: int, concurrent: int) -> tuple[str, int]:
    """Resumable, as ours and curator always are."""
    return datatrove(url, count, tokens, concurrent, checkpoints="checkpoints")


PEERS = {
    "curator": curator,
    "distilabel": distilabel,
    "datatrove": datatrove,
    "datatrove-checkpoints": datatrove_checkpoints,
}


def main() -> None:
    name, url, *numbers = sys.argv[1:]
    if name not in PEERS:
        raise SystemExit(f"no driver for {name}")
    began = time.perf_counter()
    release, answers = PEERS[name](url, *map(int, numbers))
    seconds, ended = time.perf_counter() - began, time.monotonic()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in used)
    print(
        json.dumps({"seconds": seconds, "cpu": cpu, "answers": answers, "ended": ended, "version": release})
    )


if __name__ == "__main__":
    main()
