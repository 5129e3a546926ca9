"""Writes the folded copies of a sheet's parts: a process of its own, at the lowest priority, on one thread.

The viewer starts it (`python -m factory.report.viewer.fold`) with a JSON object on stdin: `parts` (pairs of a Parquet
part and the file to write) and `deep` (columns that are searched only on request). It ends when its parent does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

SEPARATOR = "\x1f"
"""Between the columns of a row: a search cannot match across two columns, because nobody types a unit separator."""


def fold(part: Path, deep: frozenset[str]) -> pl.DataFrame:
    """Two lower-case columns, one row per row of the part: `near` (short texts) and `deep` (the columns in `deep`)."""
    scan = pl.scan_parquet(part)
    schema = scan.collect_schema()
    near = [pl.col(name) for name in schema if schema[name] == pl.String and name not in deep]
    far = [_text(name, schema[name]) for name in schema if name in deep]
    return scan.select(near=_joined(near), deep=_joined(far)).collect()


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        names = {field.name for field in kind.inner.fields}
        if "content" in names:
            return column.list.eval(pl.element().struct.field("content")).list.join(
                SEPARATOR, ignore_nulls=True
            )
    if kind == pl.String:
        return column
    return pl.lit(None, dtype=pl.String)


def _joined(columns: Sequence[pl.Expr]) -> pl.Expr:
    if not columns:
        return pl.lit("", dtype=pl.String)
    return pl.concat_str(columns, separator=SEPARATOR, ignore_nulls=True).str.to_lowercase()


def main() -> None:
    """Fold every part that stdin names; stop when the viewer is gone."""
    os.nice(19)
    parent = os.getppid()
    asked = json.load(sys.stdin)
    for part, out in asked["parts"]:
        if os.getppid() != parent:
            return
        fold(Path(part), frozenset(asked["deep"])).write_ipc(out, compression="uncompressed")


if __name__ == "__main__":
    main()
