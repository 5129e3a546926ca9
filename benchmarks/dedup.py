"""Deduplication beside loops of rensa and datasketch; recall and precision against brute force; growth with documents.

    python -m benchmarks.run dedup [--data FOLDER] [--largest 1000000]

Each contender reads the same Parquet file and ends with clusters, in its own process, after a small corpus that loads
imports and compiled kernels (`first_seconds`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.dedup_corpora import generated, problems, shared, traces
from benchmarks.markdown import table
from benchmarks.result import SHARED, Result

NGRAM, PERMUTATIONS, THRESHOLD = 5, 128, 0.8
QUICK, ROUNDS = ("factory", "factory_one_thread", "factory_arrays", "factory_to_disk", "rensa_loop"), 5
"""What takes turns so many times; the median counts. The slower ones run once."""


def measure(args: list[str]) -> dict[str, Any]:
    """Speed, quality and growth."""
    parser = argparse.ArgumentParser(prog="benchmarks.run dedup")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--parts", default="speed,quality,curve")
    parser.add_argument("--largest", type=int, default=1_000_000)
    asked = parser.parse_args(args)
    report: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder:
        sets = {"generated_traces": traces(3000), "generated_problems": problems(20_000)}
        if asked.data.is_dir():
            sets["shared_problems_and_traces"] = shared(asked.data)
        for name, texts in sets.items():
            path = Path(folder) / f"{name}.parquet"
            pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts}).write_parquet(path)
            if "speed" in asked.parts:
                report.setdefault("speed", {})[name] = compare(path, texts)
            if "quality" in asked.parts:
                report.setdefault("quality", {})[name] = {
                    str(t): quality(texts[:8000], t) for t in (0.7, 0.8, 0.9)
                }
        if "curve" in asked.parts:
            report["curve"] = curve(Path(folder), asked.largest)
            report["slope"] = slope(report["curve"])
        report["load_after"] = round(os.getloadavg()[0], 1)
    return report


def compare(path: Path, texts: list[str]) -> dict[str, Any]:
    """Each contender in a process of its own: seconds from file to clusters, rows dropped."""
    result: dict[str, Any] = {"rows": len(texts), "mb": round(sum(len(t.encode()) for t in texts) / 1e6, 1)}
    rounds = [{name: apart(name, path) for name in QUICK} for _ in range(ROUNDS)]
    result |= {name: middle([taken[name] for taken in rounds]) for name in QUICK}
    result["datasketch_loop"] = apart("datasketch_loop", path)
    for one in ("factory", "factory_one_thread"):
        result[f"times_faster_{one}"] = {
            name: round(value["seconds"] / result[one]["seconds"], 1)
            for name, value in result.items()
            if isinstance(value, dict) and "seconds" in value and not name.startswith("factory")
        }
    return result


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run of the median time; a failed one before all others."""
    ordered = sorted(runs, key=lambda run: run.get("seconds", -1.0))
    return ordered[0] if "failed" in ordered[0] else ordered[len(ordered) // 2] | {"runs": len(runs)}


def apart(name: str, path: Path) -> dict[str, Any]:
    """A contender in a fresh interpreter; `NAME_one_thread` is NAME with one thread."""
    alone = name.endswith("_one_thread")
    limit = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"} if alone else {}
    command = [sys.executable, "-m", "benchmarks.dedup", name.removesuffix("_one_thread"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | limit)
    return (
        json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip().splitlines()[-1]}
    )


def contend(name: str, path: Path) -> dict[str, Any]:
    """One contender in this process; the factory with its kernels loaded, unless array code is asked for."""
    from factory.text import compiled

    with compiled.forced(name in ("factory", "factory_to_disk")):
        return _contend(CONTENDERS[name], path)


def _contend(run: Callable[[Path], int], path: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.parquet"
        pl.scan_parquet(path).head(100).sink_parquet(small)
        began = time.perf_counter()
        run(small)
        first = time.perf_counter() - began
    before = peak_kb()
    began, cpu = time.perf_counter(), time.process_time()
    dropped = run(path)
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "first_seconds": round(first, 3),
        "grown_mb": round((peak_kb() - before) / 1024, 1),
        "dropped": dropped,
    }


def peak_kb() -> int:
    """Largest memory of this program so far. `ru_maxrss` would start at the memory of the process that started it."""
    status = Path("/proc/self/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def section(threshold: float) -> Any:
    from factory.config.deduplication import DeduplicationSection

    return DeduplicationSection(threshold=threshold, numbers_differ=False)


def factory(path: Path) -> int:
    """The function: clusters, verified pairs, evidence, audit."""
    from factory.deduplication import deduplicate

    return deduplicate(pl.read_parquet(path), section(THRESHOLD), field="text").dropped.height


def factory_to_disk(path: Path) -> int:
    """The verb: the same, out of core, and kept and dropped rows written to Parquet."""
    from factory.steps import deduplicate as step

    with tempfile.TemporaryDirectory() as out:
        return int(
            step.run([str(path)], Path(out), section(THRESHOLD), field="text").manifest["rows_dropped"]
        )


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
    "factory_arrays": factory,
    "factory_to_disk": factory_to_disk,
    "rensa_loop": rensa_loop,
    "datasketch_loop": datasketch_loop,
}


def quality(texts: list[str], threshold: float) -> dict[str, Any]:
    """Pairs in one cluster, and merged pairs, against all pairs of the corpus compared by brute force."""
    from factory.deduplication import deduplicate
    from factory.deduplication.clusters import components
    from factory.text.canonical import canonical_text

    rows = pl.DataFrame({"id": [str(i) for i in range(len(texts))], "text": texts})
    result = deduplicate(rows, section(threshold), field="text")
    true = brute_force(texts, threshold)
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
        "self_audit_pairs": result.audit["audit_pairs"],
    }


def brute_force(texts: list[str], threshold: float) -> npt.NDArray[np.int64]:
    """All pairs of a Jaccard similarity of `threshold` and more: shared n-grams of all pairs by a sparse matrix product."""
    from scipy import sparse

    from factory.text.ngrams import word_ngram_hashes

    hashes, offsets = word_ngram_hashes(pl.Series(texts), NGRAM)
    _, columns = np.unique(hashes, return_inverse=True)
    matrix = sparse.csr_array((np.ones(hashes.size, np.int32), columns, offsets))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    sizes = np.diff(matrix.indptr)
    shared = sparse.triu(matrix @ matrix.T, k=1).tocoo()
    similarity = shared.data / (sizes[shared.row] + sizes[shared.col] - shared.data)
    good = similarity >= threshold
    return np.stack([shared.row[good], shared.col[good]], axis=1).astype(np.int64)


def curve(folder: Path, largest: int) -> list[dict[str, Any]]:
    """Seconds and memory at 10 k, 100 k, ... documents of a generated corpus: in memory, and the verb from file to files."""
    points, size = [], 10_000
    while size <= largest:
        path = folder / f"curve-{size}.parquet"
        texts = generated(size, 20, 60, 3)
        mb = sum(map(len, texts)) / 1e6
        pl.DataFrame({"id": pl.int_range(size, eager=True).cast(pl.String), "text": texts}).write_parquet(
            path
        )
        del texts
        for name in ("factory", "factory_to_disk"):
            taken = apart(name, path)
            held = mb if name == "factory" else 0.0
            more = {} if "failed" in taken else {
                "us_a_document": round(taken["seconds"] / size * 1e6, 2),
                "kb_a_document": round((taken["grown_mb"] * 1.048576 - held) * 1000 / size, 3),
            }  # fmt: skip
            points.append({"documents": size, "text_mb": round(mb, 1), "contender": name, **taken, **more})
        size *= 10
    return points


def slope(points: list[dict[str, Any]]) -> dict[str, float]:
    """Log-log slope of seconds over documents, 1 being linear."""
    found = {}
    for name in ("factory", "factory_to_disk"):
        own = [p for p in points if p["contender"] == name and "seconds" in p]
        if len(own) > 1:
            x, y = (np.log([p[key] for p in own]) for key in ("documents", "seconds"))
            found[name] = round(float(np.polyfit(x, y, 1)[0]), 3)
    return found


def render(result: Result) -> dict[str, str]:
    """The block of docs/deduplication.md."""
    report = result.figures
    intro = (
        f"One run on {report['cores']} cores (load {report['load_before']} before, {report['load_after']} after). The "
        "factory and rensa took turns, several rounds, and the median counts; datasketch ran once. Every contender in "
        "its own process, from Parquet to clusters, after a small corpus that loads what there is to load. "
        "`factory_to_disk` also writes kept and dropped rows; rensa and datasketch are loops of one thread, as their "
        "READMEs show them."
    )
    heads = ["corpus", "contender", "seconds", "CPU seconds", "rows dropped", "times our time"]
    speed = [row for corpus, found in report["speed"].items() for row in speed_rows(corpus, found)]
    accuracy = [
        (corpus, threshold, q["true_pairs"], q["recall"], q["precision"], q["self_audit_recall"], q["self_audit_pairs"])
        for corpus, found in report["quality"].items()
        for threshold, q in found.items()
    ]  # fmt: skip
    growth = [
        (p["documents"], p["contender"], p["seconds"], p["us_a_document"], p["kb_a_document"])
        for p in report["curve"]
    ]
    parts = [
        intro,
        table([*heads, "times ours on one thread"], speed),
        table(
            ["corpus", "threshold", "true pairs", "recall", "precision", "self-audit: recall", "of pairs"],
            accuracy,
        ),
        "In memory (`factory`), KB are beyond the text; out of core (`factory_to_disk`) they are all there is.",
        table(["documents", "contender", "seconds", "us per document", "KB per document"], growth),
        "Log-log slope of seconds over documents (1 is linear): "
        + ", ".join(f"{name} {value}" for name, value in report["slope"].items())
        + ".",
    ]
    return {"dedup": "\n\n".join(parts)}


def speed_rows(corpus: str, found: dict[str, Any]) -> list[tuple[object, ...]]:
    """One row per contender."""
    rows: list[tuple[object, ...]] = []
    for name, value in found.items():
        if not isinstance(value, dict) or name.startswith("times_faster"):
            continue
        if "failed" in value:
            rows.append((corpus, name, value["failed"], "", "", "", ""))
            continue
        times = (found[f"times_faster_{one}"].get(name, "") for one in ("factory", "factory_one_thread"))
        rows.append((corpus, name, value["seconds"], value["cpu_seconds"], value["dropped"], *times))
    return rows


if __name__ == "__main__":
    print(json.dumps(contend(sys.argv[1], Path(sys.argv[2]))))
