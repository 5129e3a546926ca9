"""Exported sets read by the trainers' own loaders, each in an environment of its own: rows and cells that differ.

    python -m benchmarks.run exports [--envs FOLDER] [--only trl verl]

An environment that is not below FOLDER yet is made there with uv (about 5 GB each).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import ROOT, Result


@dataclass(frozen=True, slots=True)
class Loader:
    """What holds the loader of a format."""

    package: str
    version: str = ""
    """Empty for our own environment."""
    python: str = "3.11"
    beside: tuple[str, ...] = ()
    """Packages that the loader needs and the package does not bring on a machine without a GPU."""
    alone: bool = False
    """Its own dependencies do not install without a GPU (flash-attn)."""


LOADERS = {
    "trl": Loader("trl"),
    "llama-factory": Loader("llamafactory", "0.9.5"),
    "axolotl": Loader("axolotl", "0.21.0", python="3.12"),
    "verl": Loader("verl", "0.9.1"),
    "openrlhf": Loader(
        "openrlhf", "0.11.2", alone=True,
        beside=("transformers", "datasets", "sympy", "pylatexenc", "tqdm", "loguru", "jsonlines", "accelerate"),
    ),
    "ms-swift": Loader("ms-swift", "4.6.0", beside=("math-verify",)),
    "skyrl": Loader(
        "skyrl", "0.4.0", python="3.12",
        beside=(
            "math-verify", "skyrl-gym", "loguru", "tqdm", "omegaconf", "hydra-core", "ray==2.57.0", "accelerate",
            "torchdata", "tensordict", "jaxtyping", "func_timeout", "polars", "peft", "s3fs", "tensorboard", "orjson",
            "pybase64",
        ),
    ),
    "prime-rl": Loader("verifiers", "0.4.0"),
}  # fmt: skip
SCRIPTS = ROOT / "tests" / "publishing" / "loaders"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A student's template in the shape of Qwen's, with the field for traces."""


def measure(args: list[str]) -> dict[str, Any]:
    """What each loader read, and where it differs from the set that was exported."""
    parser = argparse.ArgumentParser(prog="benchmarks.run exports")
    parser.add_argument("--envs", type=Path, default=ROOT / ".trainers")
    parser.add_argument("--only", nargs="+", choices=LOADERS, default=list(LOADERS))
    options = parser.parse_args(args)
    return {"trainers": [read_back(name, options.envs) for name in options.only]}


def read_back(name: str, envs: Path) -> dict[str, Any]:
    """Export for one trainer, have its loader read it, and compare.

    Returns:
        The trainer's version, its loader, rows and cells read, cells that differ, rows its own reward misjudged.

    Raises:
        RuntimeError: the loader failed; holds what it said.
    """
    loader = LOADERS[name]
    python = environment(loader, envs)
    with TemporaryDirectory() as folder:
        export(name, Path(folder))
        script = SCRIPTS / f"read_{loader.package.replace('-', '_')}.py"
        words = [str(python), str(script), f"{folder}/out", f"{folder}/tokenizer"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=1200, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith("ROWS ")]
    if done.returncode or not said:
        raise RuntimeError(f"{name}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    read = json.loads(said[-1].removeprefix("ROWS "))
    counts = compare(name, read["sets"])
    package = f"{loader.package} {installed(python, loader.package)}"
    return {"trainer": name, "package": package, "loader": read["loader"], **counts}


def export(name: str, folder: Path) -> None:
    """Write the rows of `tests/publishing/trainer_rows.py` in a trainer's format, and the student's tokenizer."""
    from factory.publishing.trainer_exports import export_sets
    from tests.publishing.trainer_rows import SETS, write_set

    for each in SETS:
        write_set(folder / "run" / "datasets" / each, each)
    export_sets(folder / "run", folder / "out", name)
    tokenizer().save_pretrained(str(folder / "tokenizer"))


def compare(name: str, sets: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Rows and cells that a loader read, beside what the sets hold.

    A cell is a prompt, a dialogue, a gold; `misjudged` are rows whose gold in a box the trainer's own reward
    marks wrong, or another answer right.
    """
    from factory.datasets.trainer_formats import FORMATS
    from tests.publishing.trainer_rows import read_set

    tables = {"sft": "completion", "preference": "preference", "rl": "rl_prompt"}
    rows = cells = graded = 0
    different, misjudged = [], []
    for each, found in sets.items():
        wanted = read_set(each, FORMATS[name].shapes[tables[each]].grades)
        if len(found) != len(wanted):
            different.append(f"{each}: {len(found)} rows of {len(wanted)}")
        for read, row in zip(found, wanted, strict=False):
            rows += 1
            for cell, text in shown(row).items():
                if cell in read:
                    cells += 1
                    if read[cell].rstrip() not in (text.rstrip(), f"\\boxed{{{text}}}"):
                        different.append(f"{each} {row['problem_id']} {cell}")
            if "graded" in read:
                graded += 1
                if read["graded"] != 1.0 or read["wrong"] == 1.0:
                    misjudged.append(f"{row['answer_kind']} {row['answer']}")
    counts = {"rows": rows, "cells": cells, "different": different, "graded": graded, "misjudged": misjudged}
    return {"sets": list(sets), **counts}


def shown(row: dict[str, Any]) -> dict[str, str]:
    """The texts of a row, rendered by the student's template."""
    from factory.datasets.trainer_row import code_pairs

    replies = {"text": "completion", "chosen": "chosen", "rejected": "rejected"}
    found = {cell: dialogue(row["prompt"] + row[name]) for cell, name in replies.items() if name in row}
    found["prompt"] = dialogue(row["prompt"]) + "<|im_start|>assistant\n"
    if "completion" in row:
        found["learnt"] = row["completion"][0]["content"] + "<|im_end|>"
    if "answer_kind" in row:
        found["gold"] = row["answer"] or json.dumps(code_pairs(row))
    return found


def dialogue(messages: list[dict[str, str]]) -> str:
    """Messages in ChatML."""
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)


def environment(loader: Loader, envs: Path) -> Path:
    """The Python of a trainer's environment, which is made when it is not there."""
    if not loader.version:
        return Path(sys.executable)
    folder = envs / f"{loader.package}-{loader.version}"
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        named = f"{loader.package}=={loader.version}"
        install = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(python)]
        subprocess.run(
            [sys.executable, "-m", "uv", "venv", "-q", "--python", loader.python, str(folder)], check=True
        )
        if loader.alone:
            subprocess.run([*install, "--no-deps", named], check=True)
        subprocess.run(
            [*install, *([] if loader.alone else [named]), *loader.beside, "torch==2.13.0"], check=True
        )
        (folder / ".installed").touch()
    return python


def installed(python: Path, package: str) -> str:
    """The version of a package there."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def tokenizer() -> Any:
    """A byte-level tokenizer without merges: every text comes back letter by letter."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|im_start|>"],
    )
    made.chat_template = TEMPLATE
    return made


def render(result: Result) -> dict[str, str]:
    """The table of docs/export.md."""
    rows = [
        (
            each["trainer"],
            each["package"],
            f"`{each['loader']}`",
            ", ".join(each["sets"]),
            each["rows"],
            each["cells"],
            len(each["different"]),
            each["graded"],
            len(each["misjudged"]),
        )
        for each in result.figures["trainers"]
    ]
    heads = ("`--for`", "package", "loader", "sets", "rows", "cells", "different", "graded", "misjudged")
    return {"exports": table(heads, rows, numbers=(4, 5, 6, 7, 8))}
