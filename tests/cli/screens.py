"""What generate, verify, run and train leave on terminals of 80 and 160 columns: `python -m tests.cli.screens` writes it.

Times, rates, losses and what follows from them are masked. `train` trains the smallest student for three steps on what `run` made.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.small_model import PROBLEMS, replies
from tests.servers.running import servers
from tests.support.terminal import Terminal, on_terminal

FOLDER = Path(__file__).with_name("screens")
ROOT = Path(__file__).parents[2]
WIDTHS = (80, 160)
FACTORY = (sys.executable, "-m", "factory.cli.main")
URL = "http://localhost:8000/v1"
STUDENT = """
train:
  student: {model: tiny_base}
  midtrain: {enabled: false}
  sft: {max_steps: 3, batch_size: 2, micro_batch_size: 2, max_length: 128, overlong: truncate}
  dpo: {enabled: false}
  rl: {enabled: false}
"""
MASKS = (
    (r"\b\d+:\d\d(:\d\d)?\b", "T:TT"),
    (r"\b[\d.,]+/(s|min|h)\b", "N/s"),
    (r"tok/s [\d,]+", "tok/s N"),
    (r"loss [\d.e-]+", "loss N"),
    (r"steps in \d+ s", "steps in T s"),
    (r"(median|p95) [\d.]+ (s|min)", r"\1 T s"),
    (r"in flight \d+/\d+", "in flight N"),
    (r"  limited by [-\w ()]+", ""),
    (r"(?m)^report [━╌]+ \d+/\d+", "report ━ N/N"),
    (r"[━╌]+", "━"),
    (r" +(?=\S)", " "),
)
"""Everything that may differ from one day to the next; runs of blanks too, since widths follow from the figures."""


def masked(text: str, url: str = "") -> str:
    """A screen without what the clock decides."""
    text = text.replace(url, URL) if url else text
    for pattern, put in MASKS:
        text = re.sub(pattern, put, text)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def screens(width: int) -> dict[str, tuple[int, Terminal, str]]:
    """Exit code, terminal and masked text of each verb."""
    found = {}
    with TemporaryDirectory() as name, servers() as serve:
        folder = Path(name)
        url = serve(replies=replies(), model="my-model", latency=0.02).url
        rows = [json.dumps({"problem": each, "answer": answer}) for each, (answer, _) in PROBLEMS.items()]
        (folder / "problems.jsonl").write_text("\n".join(rows) + "\n")
        endpoint = f'teacher: vllm, base_url: "{url}", model: my-model, price: [0.5, 2], samples: 4'
        mine = f"name: mine\nproblems: {{sources: [problems.jsonl]}}\ngenerate: {{{endpoint}}}\nbudget: {{max_usd: 5}}\n"
        (folder / "mine.yaml").write_text(f"{mine}train: null\n")
        (folder / "student.yaml").write_text(mine + STUDENT)
        asked = (
            "--teacher",
            "vllm",
            "--model",
            "my-model",
            "--base-url",
            url,
            "--price",
            "0.5,2",
            "--max-usd",
            "20",
        )
        commands = {
            "generate": (
                *FACTORY,
                "generate",
                "problems.jsonl",
                *asked,
                "--concurrency",
                "4",
                "--out",
                "responses",
            ),
            "verify": (*FACTORY, "verify", "responses", "--out", "verdicts"),
            "run": (*FACTORY, "run", "mine.yaml"),
            "train": (*FACTORY, "train", "--recipe", "student.yaml", "--run", "runs/mine"),
        }
        for verb, words in commands.items():
            code, terminal = on_terminal(
                words, width, cwd=folder, env={"PYTHONPATH": str(ROOT), "FACTORY_STORE": ""}
            )
            found[verb] = (code, terminal, masked(terminal.text(), url))
    return found


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in WIDTHS:
        for verb, (_, _, text) in screens(each).items():
            (FOLDER / f"{verb}_{each}.txt").write_text(text, "utf-8")
