"""What may not be published: unlicensed rows, secrets, benchmark problems. Every check names the first row that breaks it.

The checks look at the files that would be published, not at what the steps say they did.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from factory.atomic import read_json
from factory.config.decontamination import DecontaminationSection
from factory.errors import FactoryError, UsageError
from factory.publishing.licences import refusal
from factory.publishing.run_sql import manifests, shard_paths
from factory.run.layout import DATASETS, RunLayout
from factory.run.ledger import close_ledger
from factory.run.parts import MANIFEST, check_parts, input_digest

KINDS = {
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "API key": r"\bsk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}",
    "AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "AWS secret key": r"(?i)aws_secret_access_key\W{1,5}[A-Za-z0-9/+=]{40}",
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})",
    "GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "Google API key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "Slack token": r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    "NVIDIA API key": r"\bnvapi-[A-Za-z0-9_-]{30,}",
    "Groq API key": r"\bgsk_[A-Za-z0-9]{40,}",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "password in an address": r"[a-z][a-z0-9+.-]{1,15}://[^\s/:@]{1,64}:[^\s/:@]{3,64}@[A-Za-z0-9]",
}
"""Kinds of secrets and the patterns that find them (each maker's documented prefix)."""
SECRET_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")
MIN_LENGTH = 12

IDENTIFIERS = ("response_id", "chosen_response_id", "row_id", "problem_id")


class Refused(FactoryError):
    """Publishing was refused; nothing was sent."""


def check_run(run: Path) -> None:
    """The run is finished, its row counts add up, its files are intact, its sets are made of its rows.

    Raises:
        FactoryError: names the folder or file that is not so.
        UsageError: a manifest is not valid JSON.
    """
    at = RunLayout(run)
    if not manifests(run):
        raise UsageError(f"{run} holds no finished step", do="give the folder of a `factory run`")
    close_ledger(run)
    finished = [name for name in DATASETS if (at.dataset(name) / MANIFEST).exists()]
    if not finished:
        raise Refused(f"{run} holds no finished training set", do="let `factory run` finish first")
    for name in DATASETS:
        folder = at.dataset(name)
        if name not in finished:
            if shard_paths(folder):
                raise Refused(
                    f"{folder} is unfinished: shards without {MANIFEST}", do="run `factory run` again"
                )
            continue
        named = set(read_json(folder / MANIFEST)["files"])
        strays = [path.name for path in shard_paths(folder) if path.name not in named]
        if strays:
            raise Refused(f"{folder / strays[0]} is not in the manifest", do="delete it and publish again")
        check_parts(folder)
        selected = at.selected(name)
        made_of = read_json(folder / MANIFEST)["inputs"].get("rows")
        if (selected / MANIFEST).exists() and input_digest(selected) != made_of:
            raise Refused(
                f"{folder} is older than {selected}, of which it was made", do="run `factory run` again"
            )
    for folder in (at.rollouts, at.clean_problems):
        if (folder / MANIFEST).exists():
            check_parts(folder)


def check_files(files: dict[str, Path], *, vouched: Collection[str] = ()) -> dict[str, int]:
    """Licences, secrets and benchmark rows in the files that would be published.

    Args:
        files: path in the repository to local file.
        vouched: sources whose rows the user says may be published whatever their licence.

    Returns:
        What was looked at: rows, texts checked against benchmarks, benchmark problems.

    Raises:
        Refused: names the file, row and reason; a secret itself is never shown.
    """
    shards = {name: path for name, path in files.items() if name.endswith(".parquet")}
    for name, path in shards.items():
        _check_licences(name, path, vouched)
    for name, path in shards.items():
        _check_secrets(name, path)
    for name, path in files.items():
        if name not in shards:
            for line, kind in secrets_in_text(path.read_text("utf-8", "replace")):
                raise Refused(
                    f"{name}:{line} holds a secret ({kind})", do="take it out of the recipe and run again"
                )
    looked = benchmark_rows(shards)
    for place, what in looked.hits:
        raise Refused(
            f"{place} repeats a benchmark problem ({what})",
            do="add the benchmark to decontamination.against and run again",
        )
    return {"texts": looked.texts, "benchmark_problems": looked.problems}


def _check_licences(name: str, path: Path, vouched: Collection[str]) -> None:
    frame = pl.scan_parquet(path)
    columns = frame.collect_schema().names()
    if "licence" not in columns or "source" not in columns:
        return
    kinds = (
        frame.group_by("source", "licence")
        .agg(pl.col(_identifier(columns)).first())
        .sort("source", "licence")
    )
    for source, licence, row in kinds.collect().iter_rows():
        why = refusal(licence)
        if why and source not in vouched:
            raise Refused(
                f"{name}: row {row} of source {source!r} {why}",
                do=f"leave the source out, or say that you may publish it with --vouch {json.dumps(source)}",
            )


def _check_secrets(name: str, path: Path) -> None:
    schema = pl.read_parquet_schema(path)
    identifier = _identifier(list(schema))
    for row, column, kind in secrets_in_rows(path, text_columns(pl.Schema(schema)), identifier):
        raise Refused(
            f"{name}: row {row}, column {column} holds a secret ({kind})",
            do="drop the row at its source and run again; if the key is yours, revoke it",
        )


def _identifier(columns: list[str]) -> str:
    return next((name for name in IDENTIFIERS if name in columns), columns[0])


def own_secrets() -> dict[str, str]:
    """Values of this process's environment variables that hold keys, by variable name."""
    return {k: v for k, v in os.environ.items() if SECRET_NAMES.search(k) and len(v) >= MIN_LENGTH}


def patterns() -> dict[str, str]:
    """Every kind of secret with its pattern, own environment included."""
    return KINDS | {f"value of ${name}": re.escape(value) for name, value in own_secrets().items()}


def secrets_in_text(text: str) -> Iterator[tuple[int, str]]:
    """Line number and kind of every secret in a text."""
    kinds = {kind: re.compile(pattern) for kind, pattern in patterns().items()}
    for number, line in enumerate(text.splitlines(), start=1):
        yield from ((number, kind) for kind, pattern in kinds.items() if pattern.search(line))


def secrets_in_rows(path: Path, columns: list[str], identifier: str) -> Iterator[tuple[str, str, str]]:
    """Row id, column and kind of secrets in a Parquet file, first of each column and kind; streams.

    Args:
        path: a Parquet file.
        columns: columns to search; lists of messages and structs are searched whole.
        identifier: column that names the row.
    """
    kinds = patterns()
    anything = "|".join(f"(?:{pattern})" for pattern in kinds.values())
    frame = pl.scan_parquet(path)
    for column in columns:
        text = as_text(frame.collect_schema()[column], pl.col(column))
        hits = frame.select(identifier, text.alias("text")).filter(pl.col("text").str.contains(anything))
        for row_id, found in hits.head(1).collect(engine="streaming").iter_rows():
            kind = next(kind for kind, pattern in kinds.items() if re.search(pattern, found))
            yield str(row_id), column, kind


def as_text(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """One string a row: the text itself, or the texts of a list of messages joined by line breaks."""
    if isinstance(dtype, pl.List):
        inner = dtype.inner
        element = pl.element()
        if isinstance(inner, pl.Struct):
            element = pl.concat_str(
                [element.struct.field(f.name) for f in inner.fields], separator="\n", ignore_nulls=True
            )
        return column.list.eval(element).list.join("\n", ignore_nulls=True)
    return column.cast(pl.String)


def text_columns(schema: pl.Schema) -> list[str]:
    """Columns that can hold text."""
    return [name for name, dtype in schema.items() if isinstance(dtype, pl.String | pl.List)]


@dataclass(frozen=True, slots=True)
class Looked:
    """What was compared with what, and what was found: place of the row, and the benchmark problem that it repeats."""

    texts: int
    problems: int
    hits: list[tuple[str, str]]


def benchmark_rows(shards: dict[str, Path], against: Sequence[str] = ("all",)) -> Looked:
    """Compare every distinct question in the shards (path in the repository to file) with benchmark indices.

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
    questions = pl.concat([_questions(name, path) for name, path in shards.items()])
    questions = questions.unique("problem", keep="first", maintain_order=True)
    found = decontaminate(questions, index, DecontaminationSection(against=list(against)), fields=["problem"])
    hits = [
        (row["row_id"], f"{row['reason']}: {(row['detail'] or row['evidence'] or '')[:200]}")
        for row in found.dropped.iter_rows(named=True)
    ]
    return Looked(questions.height, problems, hits)


def _questions(name: str, path: Path) -> pl.DataFrame:
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
    row = pl.concat_str(pl.lit(f"{name}: row "), pl.col(_identifier(schema.names())))
    distinct = (
        frame.select(id=row, problem=text).drop_nulls().unique("problem", keep="first", maintain_order=True)
    )
    return distinct.collect(engine="streaming")
