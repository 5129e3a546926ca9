"""Export: chosen rows become a finished training set, sorted shards with a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import factory
from factory.atomic import digest, file_digest, write_json
from factory.errors import FactoryError, UsageError
from factory.progress import watch
from factory.publishing.ordering import sorted_rows
from factory.publishing.shards import SHARD_BYTES, SORT_KEYS, write_shards
from factory.run.parts import MANIFEST, finished, input_digest, part_paths
from factory.run.writer import step_key
from schemas import TableSchema

STEP = "export"


def run(
    rows: Path,
    out: Path,
    schema: TableSchema,
    *,
    split: str = "train",
    shard_bytes: int = SHARD_BYTES,
) -> dict[str, Any]:
    """Write a step's rows as `out/<split>-00000-of-000NN.parquet` plus a manifest in the form of `StepWriter`'s.

    Rows are sorted by the table's key in `SORT_KEYS`; RL prompts keep their order, which is the training order.
    A finished folder made of the same rows is left alone.

    Args:
        rows: a step's folder (`part-*.parquet`) or one Parquet file.
        out: folder of the training set.
        schema: the table that the rows are of.
        split: name of the split.
        shard_bytes: compressed bytes at which a shard is closed.

    Returns:
        The manifest; `totals` holds the number of shards and their bytes.

    Raises:
        UsageError: `rows` holds no parts, or `out` cannot be written.
        FactoryError: a required column holds a null; names the row.
        Stopped: the disk is full.
    """
    settings = {"schema": [schema.name, schema.version], "split": split, "shard_bytes": shard_bytes}
    settings["sort"] = list(SORT_KEYS.get(schema.name, ()))
    inputs = {"rows": input_digest(rows)} if rows.exists() else {}
    key = step_key(STEP, settings, inputs)
    if done := finished(out, key):
        return done
    paths = part_paths(rows) if rows.is_dir() else [rows] if rows.is_file() else []
    if not paths:
        raise UsageError(f"{rows} holds no part-*.parquet", do="run the step that writes it first")
    (out / MANIFEST).unlink(missing_ok=True)
    tables = sorted_rows(paths, SORT_KEYS.get(schema.name, ()), out / ".sort.tmp")
    shards = write_shards(out, _whole(tables, schema), schema, split, shard_bytes=shard_bytes)
    files = {path.name: {"sha256": file_digest(path), "bytes": path.stat().st_size} for path in shards.paths}
    manifest = {
        "step": STEP,
        "schema": {"name": schema.name, "version": schema.version},
        "factory_version": factory.__version__,
        "key": key,
        "settings": settings,
        "inputs": inputs,
        "unit": "rows",
        "rows_in": shards.rows,
        "rows_out": shards.rows,
        "rows_dropped": 0,
        "dropped": {},
        "totals": {"shards": len(shards.paths), "bytes": shards.bytes},
        "files": files,
        "output_digest": digest([entry["sha256"] for entry in files.values()]),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(out / MANIFEST, manifest)
    return manifest


def _whole(tables: Iterable[pa.Table], schema: TableSchema) -> Iterator[pa.Table]:
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
                        do="mend the step that made the row and run it again",
                    )
            task.advance(table.num_rows)
            yield table
