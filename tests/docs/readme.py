"""What README's recipe and README's Python lines print: `python -m tests.docs.readme` runs them and writes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from tests.docs import journeys
from tests.docs.small_model import PROBLEMS

PAGE = journeys.ROOT / "README.md"
BLOCK = re.compile(r"(<!-- made: (\w+) -->\n```(?:text|console)\n)(.*?)(```\n<!-- end -->)", re.S)


def recipe(page: str, folder: Path, url: str) -> str:
    """The end of the run of README's recipe, and the first row of its sft set."""
    text = re.search(r"```yaml\n(.*?)```", page, re.S)[1]
    (folder / "mine.yaml").write_text(text.replace(journeys.ENDPOINT, url))
    said = _run([sys.executable, "-m", "factory.cli.main", "run", "mine.yaml"], folder)
    table, end = [], []
    for line in said.splitlines():
        (table if "\t" in line or line == "ledger" else end).append(line)
    row = pl.read_parquet(folder / "runs/mine/datasets/sft/*.parquet").row(0, named=True)
    asked = pl.read_parquet(folder / "runs/mine/responses/teacher/*.parquet")
    usd = asked.filter(response_id=row["response_id"])["usd"][0]
    lines = ["$ factory run mine.yaml", *end, "", *row["prompt"][-1]["content"].split("\n")]
    lines += [*row["completion"][0]["content"].split("\n")]
    lines += [f"{row['verdict']} (gold {row['answer']}); {row['completion_tokens']} tokens, ${usd:.6f}"]
    return "\n".join(lines) + "\n"


def python(page: str, folder: Path, url: str) -> str:
    """What README's Python lines print."""
    text = re.search(r"```python\n(.*?)```", page, re.S)[1]
    return _run([sys.executable, "-c", text.replace(journeys.ENDPOINT, url)], folder)


def _run(words: list[str], folder: Path) -> str:
    env = {**os.environ, "FACTORY_PROGRESS": "off", "PYTHONPATH": str(journeys.ROOT), "FACTORY_STORE": ""}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words[-1]}: exit {done.returncode}: {done.stderr}")
    return done.stdout


MADE: dict[str, Callable[[str, Path, str], str]] = {"recipe": recipe, "python": python}


def page(text: str) -> str:
    """README with both made again; measured times that alone differ stay."""

    def again(found: re.Match[str]) -> str:
        with TemporaryDirectory() as folder, journeys.server() as url:
            rows = [json.dumps({"problem": each, "answer": answer}) for each, (answer, _) in PROBLEMS.items()]
            (Path(folder) / "problems.jsonl").write_text("\n".join(rows) + "\n")
            now = MADE[found[2]](text, Path(folder), url).replace(url, journeys.ENDPOINT)
        same = journeys.without_times(now) == journeys.without_times(found[3])
        return found[1] + (found[3] if same else now) + found[4]

    return BLOCK.sub(again, text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
