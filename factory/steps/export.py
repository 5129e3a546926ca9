"""Step `export`: chosen rows become a finished training set, sorted shards with a manifest."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from factory.errors import FactoryError, UsageError
from factory.progress import watch
from factory.publishing.ordering import sorted_rows
from factory.publishing.shards import SHARD_BYTES, SORT_KEYS, write_shards
from factory.run.parts import count_rows, part_paths
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from schemas import TableSchema

STEP = "export"


@dataclass(frozen=True, slots=True)
class Exported:
    """How many shards, and their bytes."""

    shards: int
    bytes: int


def run(
    rows: Path, out: Path, schema: TableSchema, *, split: str = "train", shard_bytes: int = SHARD_BYTES
) -> StepResult[Exported]:
    """Write a step's rows as `out/<split>-00000-of-000NN.parquet`.

    Rows are sorted by the table's key in `SORT_KEYS`; RL prompts keep their order, which is the training order.

    Args:
        rows: a step's folder (`part-*.parquet`) or one Parquet file.
        out: folder of the training set.
        schema: the table that the rows are of.
        split: name of the split.
        shard_bytes: compressed bytes at which a shard is closed.

    Raises:
        UsageError: `rows` holds no parts, or `out` cannot be written.
        FactoryError: a required column holds a null; names the row.
        Stopped: the disk is full.
    """
    paths = part_paths(rows) if rows.is_dir() else [rows] if rows.is_file() else []
    if not paths:
        raise UsageError(f"{rows} holds no part-*.parquet", do="run the step that writes it first")
    key = SORT_KEYS.get(schema.name, ())
    settings = {"schema": [schema.name, schema.version], "split": split, "shard_bytes": shard_bytes}
    step = Step(
        STEP, out, Exported, settings={**settings, "sort": list(key)}, inputs={"rows": rows}, schema=schema
    )

    def make(writer: StepWriter) -> Exported:
        writer.read["rows"] += count_rows(paths)
        tables = _checked(sorted_rows(paths, key, writer.scratch / "sort"), schema)
        try:
            shards = write_shards(writer.scratch / "out", tables, schema, split, shard_bytes=shard_bytes)
        except BaseException:
            # A stopped sort has nothing to resume from, and its ranges may be as large as the set.
            shutil.rmtree(writer.scratch, ignore_errors=True)
            raise
        writer.keep_files(shards.paths, shards.rows)
        return Exported(len(shards.paths), shards.bytes)

    return step.run(make)


def _checked(tables: Iterable[pa.Table], schema: TableSchema) -> Iterator[pa.Table]:
    """Pass tables on, watched; a null in a required column stops the export."""
    required = [column.name for column in schema.columns if column.required]
    identifier = schema.columns[0].name if schema.columns[0].name.endswith("id") else "problem_id"
    with watch(f"export {schema.name}") as task:
        for table in tables:
            for name in required:
                absent = name not in table.column_names
                if table.num_rows and (absent or table.column(name).null_count):
                    row = 0 if absent else pc.index(pc.is_null(table.column(name)), True).as_py()
                    who = table.column(identifier)[row] if identifier in table.column_names else f"row {row}"
                    raise FactoryError(
                        f"cannot export {schema.name}: {who} has no {name}, which every row must have",
                        do="this is a bug in the step that made the row: please report it",
                    )
            task.advance(table.num_rows)
            yield table
