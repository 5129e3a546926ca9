"""Training sets written for other trainers: reads a run or a set, writes the rows and the trainer's own files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from factory.atomic import atomic_path, disk_error, read_json
from factory.datasets.trainer_configs import MODEL, trainer_files
from factory.datasets.trainer_formats import VERSION, Format, find_format, refusal
from factory.datasets.trainer_row import Reasoning, prepare
from factory.datasets.trainer_template import check_template
from factory.errors import UsageError
from factory.progress import watch
from factory.publishing.shards import write_shards
from factory.run.layout import DATASETS, RunLayout
from factory.run.parts import MANIFEST, count_rows, iter_part, reading
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from schemas import COMPLETION, PREFERENCE, RL_PROMPT, TableSchema

BATCH = 2_000
"""Rows in memory together."""
TELLING = {
    "preference": {"prompt", "chosen", "rejected"},
    "completion": {"prompt", "completion"},
    "rl_prompt": {"prompt", "answer", "answer_kind"},
}
"""Columns that tell a set's table."""
NAMES = {"completion": "sft", "preference": "preference", "rl_prompt": "rl"}
"""What a set is called that is exported by itself."""
ONE_FILE = 2**62
"""Trainers are given one file a set: not all of them take folders."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A set in a trainer's format: the table its rows are of, the file, relative to the step's folder."""

    table: str
    file: str


def export_sets(
    source: Path,
    out: Path,
    name: str,
    *,
    reasoning: Reasoning | None = None,
    system: str | None = None,
    model: str | None = None,
) -> tuple[dict[str, StepResult[Exported]], dict[str, str], dict[str, str]]:
    """Write every set of `source` that the trainer can use as `out/SET/`, and its configuration into `out`.

    Args:
        source: a run, or a folder with one set (of `factory run`, `factory select`, or downloaded).
        out: folder to write.
        name: the format, see `trainer_formats.FORMATS`.
        reasoning: where traces go; None for what the trainer's templates take first.
        system: system message in place of the sets' own; empty for none.
        model: the student, for the commands.

    Returns:
        The result of each set; the sets left out, each with the reason; the trainer's files, name to text.

    Raises:
        UsageError: there is no set, or none that the trainer can use; the format has no such reasoning.
        FactoryError: a set is not what its step wrote.
        Stopped: the disk is full.
    """
    form = find_format(name)
    chosen = reasoning or form.reasoning[0]
    if chosen not in form.reasoning:
        raise UsageError(f"{name} takes no reasoning as {chosen}", do=f"choose {' or '.join(form.reasoning)}")
    sets = find_sets(source)
    left_out = {each: form.why_not[table] for each, (table, _) in sets.items() if table in form.why_not}
    if len(left_out) == len(sets):
        each, why = next(iter(left_out.items()))
        raise UsageError(
            f"{name} cannot use the {each} set: {why}", do="export another set, or for another trainer"
        )
    replies = [
        folder for each, (table, folder) in sets.items() if each not in left_out and table != "rl_prompt"
    ]
    if model and Path(model).is_dir() and replies:
        prompts = next(iter_part(_paths(replies[0])[0], BATCH, ["prompt"]))["prompt"].to_list()
        check_template(Path(model), prompts, chosen, system)
    done = {
        each: _export(folder, out / each, name, form, table, chosen, system)
        for each, (table, folder) in sets.items()
        if each not in left_out
    }
    files = trainer_files(name, _exported(out, name), chosen, model or MODEL)
    for file, text in files.items():
        with atomic_path(out / file) as temporary:
            temporary.write_text(text, "utf-8")
    return done, left_out, files


def _exported(out: Path, name: str) -> dict[str, tuple[str, Path]]:
    """The sets that lie in `out` in this format, also those of earlier calls: name to table and file."""
    found = {}
    for path in sorted(out.glob(f"*/{MANIFEST}")):
        manifest = read_json(path)
        if manifest.get("step") == f"export-{name}":
            totals = manifest["totals"]
            found[path.parent.name] = (totals["table"], Path(path.parent.name) / totals["file"])
    return found


def find_sets(source: Path) -> dict[str, tuple[str, Path]]:
    """The training sets at a place: name to (table, folder).

    Raises:
        UsageError: there are none, or a set is not of our tables; names the column.
    """
    at = RunLayout(source)
    folders = {name: at.dataset(name) for name in DATASETS if (at.dataset(name) / MANIFEST).exists()}
    found = {}
    for name, folder in folders.items() or [("", source)]:
        table = _table(folder)
        if table is not None and count_rows(_paths(folder)):
            found[name or NAMES[table.name]] = (table.name, folder)
    if not found:
        raise UsageError(
            f"{source} holds no training set with rows",
            do="name a run, or the folder of a set (factory select makes one)",
        )
    return found


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _table(folder: Path) -> TableSchema | None:
    """The table that the rows of a folder are of, told by its columns; None for none of the three.

    Raises:
        UsageError: a column that every row must have is not there, or holds something else.
    """
    tables = (PREFERENCE, COMPLETION, RL_PROMPT)
    for path in _paths(folder):
        with reading(path):
            kinds = pl.read_parquet_schema(path)
        table = next((each for each in tables if TELLING[each.name] <= kinds.keys()), None)
        if table is None:
            return None
        wanted = pl.DataFrame(pl.from_arrow(table.empty())).schema
        for column in table.columns:
            if column.required and kinds.get(column.name) != wanted[column.name]:
                there = kinds.get(column.name)
                raise UsageError(
                    f"{path} is not of the factory's table {table.name}: column {column.name} "
                    + ("is missing" if there is None else f"holds {there}"),
                    do="bring it in with factory import, then make the set with factory select",
                )
    return table if _paths(folder) else None


def _export(
    folder: Path, out: Path, name: str, form: Format, table: str, reasoning: Reasoning, system: str | None
) -> StepResult[Exported]:
    shape, schema = form.shapes[table], form.schema(name, table, reasoning)
    settings = {"for": name, "table": table, "reasoning": reasoning, "system": system, "version": VERSION}
    step = Step(f"export-{name}", out, Exported, settings=settings, inputs={"rows": folder}, schema=schema)

    def rows(writer: StepWriter) -> Iterator[list[dict[str, Any]]]:
        paths = _paths(folder)
        with watch(step.name, count_rows(paths), "rows") as task:
            for path in paths:
                for batch in iter_part(path, BATCH):
                    found = batch.to_dicts()
                    why = pl.Series(
                        "reason", [refusal(row, shape, reasoning) for row in found], dtype=pl.String
                    )
                    lost = why.is_not_null()
                    if lost.any():
                        reason = pl.lit(why.filter(lost))
                        writer.drop(
                            dropped_rows(
                                batch.filter(lost), step=step.name, reason=reason, id_column="problem_id"
                            )
                        )
                    writer.read["rows"] += batch.height
                    task.advance(batch.height)
                    yield [
                        shape.row(prepare(row, reasoning, system))
                        for row, refused in zip(found, why, strict=True)
                        if not refused
                    ]

    def make(writer: StepWriter) -> Exported:
        if form.lines:
            path, kept = _write_lines(writer.scratch / "out", rows(writer))
        else:
            declared = pa.schema([pa.field(c.name, c.type) for c in schema.columns])
            tables = (pa.Table.from_pylist(found, declared) for found in rows(writer))
            shards = write_shards(writer.scratch / "out", tables, schema, shard_bytes=ONE_FILE)
            path, kept = shards.paths[0], shards.rows
        if not kept:
            raise UsageError(
                f"no row of {folder} can be used by {name}: {', '.join(sorted(writer.reasons))}",
                do="export for another trainer",
            )
        writer.keep_files([path], kept)
        return Exported(table, path.name)

    return step.run(make)


def _write_lines(folder: Path, batches: Iterator[list[dict[str, Any]]]) -> tuple[Path, int]:
    """Rows as JSON Lines, one file, complete on disk."""
    kept = 0
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "train-00000-of-00001.jsonl"
    try:
        with path.open("wb") as handle:
            for batch in batches:
                handle.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch)
                kept += len(batch)
    except OSError as error:
        raise disk_error(error, folder) from error
    return path, kept
