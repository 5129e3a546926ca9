"""Error rates of the verifier on answers that people, or their authors, have labelled: the figures on the data card.

    python -m benchmarks.verifier_errors FOLDER [--out data_cards/verifier_errors.json]

FOLDER holds JSONL files with `gold`, `prediction` and `label` (1 right, 0 wrong). `wrong_accepted` counts labelled
wrong answers with verdict correct; `right_rejected` labelled right ones with verdict incorrect; `undecided` all
others that are neither. Labels are taken as they are, mistakes of the labellers included.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import polars as pl

from factory.config.verify import VerifySection
from factory.run.parts import read_parts
from factory.steps import verify
from factory.verification import CHECKER_VERSION


def measure(path: Path, scratch: Path) -> dict[str, object]:
    """Error counts on one file."""
    out = scratch / path.stem
    verify.run_files([str(path)], out, VerifySection())
    rows = read_parts(out)
    right, wrong = pl.col("label").cast(pl.Int64) == 1, pl.col("label").cast(pl.Int64) == 0
    correct, incorrect = pl.col("verdict") == "correct", pl.col("verdict") == "incorrect"
    counts = rows.select(
        labelled_right=right.sum(),
        labelled_wrong=wrong.sum(),
        wrong_accepted=(wrong & correct).sum(),
        right_rejected=(right & incorrect).sum(),
        undecided=((right | wrong) & ~(correct | incorrect)).sum(),
    )
    return {"cases": path.stem, **counts.row(0, named=True)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = [measure(path, Path(scratch)) for path in sorted(arguments.folder.glob("*.jsonl"))]
    text = json.dumps({"checker": CHECKER_VERSION, "rows": rows}, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
