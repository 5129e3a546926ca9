"""How every verb that writes a step's folder ends: what was there already, the line that loads the output, and what is next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factory.cli.show import say, wrote
from factory.run.step import StepResult

FACTS = ("step", "unit", "rows_in", "rows_out", "dropped", "totals", "output_digest")
"""What `--json` takes from a step's manifest."""


def say_end(result: StepResult[Any], out: Path) -> None:
    """Say that there was nothing to do, if so, how to load the rows, and which verb takes them."""
    facts = {name: result.manifest[name] for name in FACTS}
    if result.made and "session" in result.manifest:
        facts["session"] = result.manifest["session"]
    wrote(out=out, made=result.made, **facts)
    if not result.made:
        say(f"{out} is up to date, nothing to do")
    say(f'load it: polars.read_parquet("{out}/*.parquet")  # {result.manifest["rows_out"]:,} rows')
    say(f"next:    {next_verb(out, result.manifest['step'])}")


def next_verb(out: Path, step: str) -> str:
    """The command that takes these rows, by their columns."""
    import polars as pl

    found = sorted(out.glob("*.parquet"))
    columns = set(pl.read_parquet_schema(found[0])) if found else set()
    if columns & {"completion", "chosen", "bucket"}:
        return f"factory export {out} --for NAME --out DIR"
    if "difficulty_right" in columns:
        return f"factory pairs VERDICTS --rollouts {out}/__rollouts --out pairs"
    if "verdict" in columns:
        return f"factory select {out} --set sft --out sft"
    if columns & {"content", "response"}:
        return f"factory verify {out} --out verdicts"
    if "problem" in columns and step == "dedup":
        return f"factory decontaminate {out} --against math500 aime24 --out clean"
    return (
        f"factory generate {out} --teacher NAME --out responses"
        if "problem" in columns
        else f"factory view {out}"
    )
