"""Deduplication measured: speed beside other tools, recall and precision against brute force, memory, cost by size.

Run: python -m benchmarks.dedup [--data ../shared/data] [--parts speed,quality,curve] [--peers PYTHON]. Prints JSON.
All contenders read the same Parquet file and end with clusters. `--peers` is the interpreter of an environment with
text-dedup and datatrove; without it they are left out, and the report says so.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from factory.deduplication import deduplicate
from factory.deduplication.audit import all_pairs
from factory.deduplication.sets import gram_sets
from factory.recipe.deduplication import DeduplicationSection
from factory.text import canonical_text, word_ngram_hashes

NGRAM, PERMUTATIONS, THRESHOLD = 5, 128, 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--parts", default="speed,quality,curve")
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--peers", default=None)
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one[0], Path(asked.one[1]))))
        return
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        sets = {"generated_traces": traces(3000), "generated_problems": problems(20_000)}
        if asked.data.is_dir():
            sets["shared_problems_and_traces"] = shared(asked.data)
        for name, texts in sets.items():
            path = Path(folder) / f"{name}.parquet"
            pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts}).write_parquet(path)
            if "speed" in asked.parts:
                report.setdefault("speed", {})[name] = compare(path, texts, asked.peers)
            if "quality" in asked.parts:
                report.setdefault("quality", {})[name] = {
                    str(t): quality(texts[:8000], t) for t in (0.7, 0.8, 0.9)
                }
        if "curve" in asked.parts:
            report["curve"] = curve(Path(folder), asked.largest)
    print(json.dumps(report, indent=2))


def sentences(rng: random.Random, words: list[str], count: int) -> str:
    return " ".join(rng.choices(words, k=count))


def family(rng: random.Random, words: list[str], count: int) -> list[str]:
    """A text and, now and then, copies with a few words changed."""
    base = sentences(rng, words, count).split()
    copies = [" ".join(base)]
    while rng.random() < 0.25:
        share = rng.choice([0, 0.002, 0.005, 0.01, 0.02])
        copies.append(" ".join(rng.choice(words) if rng.random() < share else w for w in base))
    return copies


def generated(count: int, low: int, high: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
    texts: list[str] = []
    while len(texts) < count:
        texts += family(rng, words, rng.randint(low, high))
    return texts[:count]


def traces(count: int) -> list[str]:
    return generated(count, 800, 2200, 1)


def problems(count: int) -> list[str]:
    return generated(count, 20, 90, 2)


def shared(data: Path) -> list[str]:
    texts = []
    for name, column in (
        ("seeds/deepscaler_40k", "problem"),
        ("traces/mip_overthinking_long_cot", "response"),
    ):
        texts += [json.loads(line)[column] for line in (data / f"{name}.jsonl").open(encoding="utf-8")]
    return texts


def compare(path: Path, texts: list[str], peers: str | None) -> dict[str, Any]:
    """Each contender in a process of its own: seconds from file to clusters, largest memory, rows dropped."""
    result: dict[str, Any] = {"rows": len(texts), "mb": round(sum(len(t.encode()) for t in texts) / 1e6, 1)}
    for name in CONTENDERS:
        result[name] = apart(sys.executable, name, path)
    for name in ("text_dedup", "datatrove"):
        result[name] = "left out: give --peers" if peers is None else peer(peers, name, path)
    ours = result["factory"]["seconds"]
    result["times_faster_than"] = {
        name: round(value["seconds"] / ours, 1)
        for name, value in result.items()
        if isinstance(value, dict) and name != "factory" and "seconds" in value
    }
    return result


def apart(python: str, name: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-m", "benchmarks.dedup", "--one", name, str(path)], capture_output=True, text=True
    )
    return (
        json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip().splitlines()[-1]}
    )


def peer(python: str, name: str, path: Path) -> Any:
    done = subprocess.run(
        [python, str(Path(__file__).parent / "dedup_peers.py"), name, str(path)],
        capture_output=True,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    return (
        json.loads(lines[-1]) if done.returncode == 0 and lines else f"failed: {done.stderr.strip()[-300:]}"
    )


def measure(name: str, path: Path) -> dict[str, Any]:
    before = peak_kb()
    began = time.perf_counter()
    dropped = CONTENDERS[name](path)
    seconds = time.perf_counter() - began
    peak = peak_kb()
    return {
        "seconds": round(seconds, 3),
        "peak_mb": round(peak / 1024, 1),
        "grown_mb": round((peak - before) / 1024, 1),
        "dropped": dropped,
    }


def peak_kb() -> int:
    """Largest memory of this program so far. `ru_maxrss` would start at the memory of the process that started it."""
    status = Path("/proc/self/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def factory(path: Path) -> int:
    rows = pl.read_parquet(path)
    section = DeduplicationSection(threshold=THRESHOLD, numbers_differ=False)
    return deduplicate(rows, section, field="text").dropped.height


def datasketch_loop(path: Path) -> int:
    from datasketch import MinHash, MinHashLSH

    texts = pl.read_parquet(path)["text"].to_list()
    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    dropped = 0
    for i, text in enumerate(texts):
        signature = MinHash(num_perm=PERMUTATIONS)
        signature.update_batch([gram.encode() for gram in shingles(text)])
        if lsh.query(signature):
            dropped += 1
        else:
            lsh.insert(i, signature)
    return dropped


def rensa_loop(path: Path) -> int:
    from rensa import RMinHash, RMinHashLSH

    texts = pl.read_parquet(path)["text"].to_list()
    lsh = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=16)
    signatures, dropped = [], 0
    for i, text in enumerate(texts):
        signature = RMinHash(num_perm=PERMUTATIONS, seed=42)
        signature.update(shingles(text))
        signatures.append(signature)
        if any(signatures[j].jaccard(signature) >= THRESHOLD for j in lsh.query(signature)):
            dropped += 1
        else:
            lsh.insert(i, signature)
    return dropped


def shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[i : i + NGRAM]) for i in range(max(len(words) - NGRAM + 1, 1))]


CONTENDERS: dict[str, Callable[[Path], int]] = {
    "factory": factory,
    "rensa_loop": rensa_loop,
    "datasketch_loop": datasketch_loop,
}


def quality(texts: list[str], threshold: float) -> dict[str, Any]:
    """Pairs in one cluster, and merged pairs, against all pairs of the corpus compared one by one."""
    import numpy as np

    from factory.deduplication.clusters import components

    rows = pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts})
    result = deduplicate(rows, DeduplicationSection(threshold=threshold, numbers_differ=False), field="text")
    everything = np.arange(len(texts))
    true, _ = brute_force(Shingles(*word_ngram_hashes(rows["text"], NGRAM)), everything, threshold)
    true = true[true[:, 0] < true[:, 1]]
    merged = result.pairs.select("left", "right").to_numpy()
    labels = components(len(texts), merged)
    found = labels[true[:, 0]] == labels[true[:, 1]]
    known = {tuple(pair) for pair in true.tolist()}
    canonical = canonical_text(rows["text"])
    wrong = [
        p for p in merged.tolist() if tuple(sorted(p)) not in known and canonical[p[0]] != canonical[p[1]]
    ]
    return {
        "true_pairs": len(true),
        "recall": round(float(found.mean()), 4) if len(true) else None,
        "merged_pairs": len(merged),
        "precision": round(1 - len(wrong) / max(len(merged), 1), 4),
        "self_audit_recall": result.audit["recall"],
    }


def curve(folder: Path, largest: int) -> list[dict[str, Any]]:
    """Seconds and memory at 10 k, 100 k, ... documents of a generated corpus."""
    points, size = [], 10_000
    while size <= largest:
        path = folder / f"curve-{size}.parquet"
        texts = generated(size, 20, 60, 3)
        pl.DataFrame({"id": [str(i) for i in range(size)], "text": texts}).write_parquet(path)
        mb = sum(map(len, texts)) / 1e6
        del texts
        taken = apart(sys.executable, "factory", path)
        grown = taken.get("grown_mb", 0)
        points.append(
            {
                "documents": size,
                "text_mb": round(mb, 1),
                "us_a_document": round(taken["seconds"] / size * 1e6, 1),
                "kb_a_document_beyond_text": round((grown - mb) * 1000 / size, 3),
                **taken,
            }
            if "seconds" in taken
            else {"documents": size, **taken}
        )
        size *= 10
    return points


if __name__ == "__main__":
    main()
