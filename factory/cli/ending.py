"""How every verb that writes a step's folder ends: what was there already, and the line that loads the output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factory.cli.show import say, wrote
from factory.run.step import StepResult

FACTS = ("step", "unit", "rows_in", "rows_out", "dropped", "totals", "output_digest")
"""What `--json` takes from a step's manifest."""


def say_end(result: StepResult[Any], out: Path) -> None:
    """Say that there was nothing to do, if so, and how to load the rows."""
    wrote(out=out, made=result.made, **{name: result.manifest[name] for name in FACTS})
    if not result.made:
        say(f"{out} is up to date, nothing to do")
    say(f'load it: polars.read_parquet("{out}/*.parquet")  # {result.manifest["rows_out"]:,} rows')
