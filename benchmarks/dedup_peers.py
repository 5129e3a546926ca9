"""text-dedup and datatrove over one Parquet corpus, in the environment they are installed in.

Run by `benchmarks.dedup`: PYTHON dedup_peers.py NAME FILE WORKERS. Prints one JSON line. A small corpus is done first, so
that imports and first calls are not part of the time. Needs `pip install text-dedup`, or `pip install datatrove
tokenizers spacy "xxhash<4"` (datatrove 0.10.1 fails with xxhash 4), and pyarrow.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}
NGRAM, PERMUTATIONS, THRESHOLD = 5, 128, 0.8


def text_dedup(path: Path, folder: Path, workers: int) -> int:
    """Its command line as its README shows it, with the faster of its two hashes."""
    import pyarrow.parquet as pq
    from datasets import load_from_disk
    from text_dedup.minhash import main

    arguments = {
        "path": "parquet", "data_files": path, "split": "train", "cache_dir": folder / "cache",
        "output": folder / "out", "column": "text", "ngram": NGRAM, "num_perm": PERMUTATIONS,
        "threshold": THRESHOLD, "hash_func": "xxh3", "num_proc": workers, "min_length": 0, "batch_size": 10_000,
    }  # fmt: skip
    main([f"--{name}={value}" for name, value in arguments.items()], standalone_mode=False)
    return pq.read_metadata(path).num_rows - len(load_from_disk(str(folder / "out")))


def datatrove(path: Path, folder: Path, workers: int) -> int:
    """Its three stages up to the clusters, as its example `minhash_deduplication.py` runs them."""
    import pyarrow.parquet as pq
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import ParquetReader

    table, source = pq.read_table(path), folder / "source"
    source.mkdir()
    each = -(-table.num_rows // workers)
    for number in range(workers):
        pq.write_table(table.slice(number * each, each), source / f"{number}.parquet")
    config, at = MinhashConfig(n_grams=NGRAM), lambda name: str(folder / name)
    began = time.perf_counter()
    stages = [
        ([ParquetReader(str(source)), MinhashDedupSignature(at("signatures"), config=config)], workers),
        (
            [MinhashDedupBuckets(at("signatures"), at("buckets"), config=config, only_dedup_in_index=False)],
            config.num_buckets,
        ),
        ([MinhashDedupCluster(at("buckets"), at("clusters"), config=config)], 1),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=workers, logging_dir=at(f"logs{number}")).run()
    SECONDS.append(time.perf_counter() - began)
    return sum(path.stat().st_size // 4 for path in (folder / "clusters").glob("*.remove"))


SECONDS: list[float] = []
"""What a contender measured itself, because it had to prepare its input."""


def main(name: str, path: str, workers: str) -> None:
    import pyarrow.parquet as pq

    run = {"text_dedup": text_dedup, "datatrove": datatrove}[name]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        small = Path(folder) / "small.parquet"
        pq.write_table(pq.read_table(path).slice(0, 100), small)
        for number, corpus in enumerate([small, Path(path)]):
            place = Path(folder) / str(number)
            place.mkdir()
            began = time.perf_counter()
            dropped = run(corpus, place, int(workers))
            seconds = time.perf_counter() - began
    seconds = SECONDS[-1] if SECONDS else seconds
    print(json.dumps({"seconds": round(seconds, 3), "dropped": dropped}))


if __name__ == "__main__":
    main(*sys.argv[1:])
