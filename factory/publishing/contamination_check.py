"""Looking for benchmark problems in what would be published: every question, against every index that ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.config.decontamination import DecontaminationSection
from factory.errors import FactoryError
from factory.publishing.secrets import as_text


@dataclass(frozen=True, slots=True)
class Hit:
    """One published row that repeats a benchmark problem."""

    place: str
    what: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What was compared with what, and what was found."""

    texts: int
    problems: int
    hits: list[Hit]


def benchmark_rows(
    shards: dict[str, Path], identifier: Callable[[list[str]], str], against: Sequence[str] = ("all",)
) -> Looked:
    """Compare every distinct question in the shards with benchmark indices.

    Args:
        shards: path in the repository to Parquet file.
        identifier: chooses the column that names a row.
        against: index names or paths; everything that ships by default.

    Raises:
        FactoryError: no index is installed.
    """
    from factory.decontamination import decontaminate, load_index

    index = load_index(against)
    problems = sum(len(benchmark.ids) for benchmark in index.benchmarks)
    if not problems:
        raise FactoryError(
            "no benchmark index is installed, so nothing can be published", do="install cot-factory again"
        )
    questions = pl.concat([_questions(name, path, identifier) for name, path in shards.items()])
    questions = questions.unique("problem", keep="first", maintain_order=True)
    found = decontaminate(questions, index, DecontaminationSection(against=list(against)), fields=["problem"])
    hits = [
        Hit(row["row_id"], f"a benchmark problem ({row['reason']}: {_where(row)})")
        for row in found.dropped.iter_rows(named=True)
    ]
    return Looked(questions.height, problems, hits)


def _questions(name: str, path: Path, identifier: Callable[[list[str]], str]) -> pl.DataFrame:
    """The distinct questions of a shard: user messages, the problem column, or the problem of a dropped row.

    `id` names the shard and the row.
    """
    frame = pl.scan_parquet(path)
    schema = frame.collect_schema()
    if "prompt" in schema:
        users = pl.col("prompt").list.eval(pl.element().filter(pl.element().struct.field("role") == "user"))
        text = as_text(schema["prompt"], users)
    elif "problem" in schema:
        text = pl.col("problem")
    elif "row" in schema:
        text = pl.col("row").str.json_path_match("$.problem")
    else:
        return pl.DataFrame(schema={"id": pl.String, "problem": pl.String})
    row = pl.concat_str(pl.lit(f"{name}: row "), pl.col(identifier(schema.names())))
    distinct = (
        frame.select(id=row, problem=text).drop_nulls().unique("problem", keep="first", maintain_order=True)
    )
    return distinct.collect(engine="streaming")


def _where(row: dict[str, str | None]) -> str:
    return (row["detail"] or row["evidence"] or "")[:200]
