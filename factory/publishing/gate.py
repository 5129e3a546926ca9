"""What must not leave the house. Every check names the first row that breaks it.

The checks look at the files that would be published, not at what the steps say they did.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path

import polars as pl

from factory.atomic import read_json
from factory.errors import FactoryError
from factory.publishing.contamination_check import benchmark_rows
from factory.publishing.licences import refusal
from factory.publishing.run_sql import manifests, shard_paths
from factory.publishing.secrets import secrets_in_rows, secrets_in_text, text_columns
from factory.run.layout import DATASETS, RunLayout
from factory.run.ledger import close_ledger
from factory.run.parts import MANIFEST, check_parts, input_digest

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
        raise Refused(f"{run} holds no finished step", do="give the folder of a `factory run`")
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
    return _check_benchmarks(shards)


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


def _check_benchmarks(shards: dict[str, Path]) -> dict[str, int]:
    report: Callable[[str, str], Refused] = lambda place, what: Refused(  # noqa: E731
        f"{place} repeats {what}",
        do="add the benchmark to decontamination.against and run again",
    )
    looked = benchmark_rows(shards, _identifier)
    for hit in looked.hits:
        raise report(hit.place, hit.what)
    return {"texts": looked.texts, "benchmark_problems": looked.problems}


def _identifier(columns: list[str]) -> str:
    return next((name for name in IDENTIFIERS if name in columns), columns[0])
