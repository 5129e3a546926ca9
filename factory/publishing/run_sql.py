"""A run as SQL tables, and the card's facts as queries over them, so that a reader can run every number again.

| table | rows |
|---|---|
| `midtrain`, `sft`, `preference`, `rl` | the training sets |
| `problems`, `clean_problems`, `verdicts`, `labelled`, `difficulty`, `rollouts` | the steps of those names; `verdicts` with
`source_set` and `source_revision`, which are in `metadata` |
| `ledger` | `position, folder, step, unit, rows_in, rows_out, rows_dropped`, one row per step |
| `ledger_dropped` | `folder, step, reason, rows` |
| `totals` | `folder, step, name, value, text`: what the manifests count, nested names joined by dots |
| `checked_against` | `folder, benchmark, problems, revision, licence`: the benchmarks of every certificate |
| `verifier_errors` | `cases, labelled_right, right_rejected, labelled_wrong, wrong_accepted, undecided`: measured, shipped |
| `settings` | the same of the settings with which each step ran |
| `evaluation` | `stage, benchmark, name, value`: what the evaluations measured |
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import read_json
from factory.evaluation.stages import SUMMARY, evaluated_stages
from factory.run.layout import DATASETS, RunLayout, order_of
from factory.run.parts import MANIFEST, check_parts, part_paths

MAX_ITEMS = 60
"""Longer lists in a manifest are not spread into `totals`; their length is."""

LEDGER = {"position": pl.Int64, "folder": pl.String, "step": pl.String, "unit": pl.String} | dict.fromkeys(
    ("rows_in", "rows_out", "rows_dropped"), pl.Int64
)
DROPPED_COUNTS = {"folder": pl.String, "step": pl.String, "reason": pl.String, "rows": pl.Int64}
NAMED = {"folder": pl.String, "step": pl.String, "name": pl.String, "value": pl.Float64, "text": pl.String}
CHECKED = {"folder": pl.String, "benchmark": pl.String, "problems": pl.Int64}
CHECKED |= {"revision": pl.String, "licence": pl.String}
EVALUATION = {"stage": pl.String, "benchmark": pl.String, "name": pl.String, "value": pl.Float64}

ERRORS = {"cases": pl.String} | dict.fromkeys(
    ("labelled_right", "right_rejected", "labelled_wrong", "wrong_accepted", "undecided"), pl.Int64
)

TOKENS = {
    "midtrain": "completion_tokens",
    "sft": "completion_tokens",
    "preference": "chosen_tokens",
    "rl": None,
}
"""Column with the length of a row's (chosen) response."""

Tables = dict[str, pl.LazyFrame]


@dataclass(frozen=True, slots=True)
class Fact:
    """One table of the card: its name in the template, what it shows, and the query behind it."""

    name: str
    title: str
    sql: str
    needs: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A fact with its rows."""

    fact: Fact
    rows: pl.DataFrame


def facts(tables: Tables) -> list[Fact]:
    """Every fact of `data_cards/card.sql` that can be computed from the tables that are there."""
    found = []
    for block in resources.files("data_cards").joinpath("card.sql").read_text("utf-8").split("\n-- ")[4:]:
        header, _, sql = block.partition("\n")
        for dataset, tokens in TOKENS.items() if "{set}" in header else [("", None)]:
            query = sql.replace(", sum({tokens}) AS tokens", "") if tokens is None else sql
            if tokens is None and "{tokens}" in query:
                continue
            named = {"set": dataset, "tokens": tokens}
            name, needs, title = (part.strip() for part in header.format(**named).split("|"))
            found.append(Fact(name, title, " ".join(query.format(**named).split()).removesuffix(";"), needs))
    return [fact for fact in found if fact.needs in tables]


def answer(tables: Tables) -> dict[str, Answer]:
    """Every fact with its rows, by name; facts without rows are left out."""
    answers = {fact.name: Answer(fact, query(tables, fact.sql)) for fact in facts(tables)}
    return {name: found for name, found in answers.items() if found.rows.height}


def run_tables(run: Path) -> Tables:
    """The tables of a run that are whole; steps that have not run or not finished have no table.

    Raises:
        FactoryError: a part is missing or its bytes differ from the manifest's checksum; names it.
        UsageError: a manifest is not valid JSON.
    """
    tables: Tables = {}
    for name, folder in _folders(run).items():
        if not (folder / MANIFEST).exists():
            continue
        check_parts(folder)
        if paths := part_paths(folder) or shard_paths(folder):
            tables[name] = pl.scan_parquet(paths, missing_columns="insert", extra_columns="ignore")
    if "verdicts" in tables:
        said = pl.col("metadata").str
        tables["verdicts"] = tables["verdicts"].with_columns(
            **{name: said.json_path_match(f"$.{name}") for name in ("source_set", "source_revision")}
        )
    at = RunLayout(run)
    return tables | _books(run) | {"evaluation": _evaluation(at), "verifier_errors": _verifier_errors()}


def unfinished(run: Path) -> list[str]:
    """Tables whose rows are there but whose step did not finish."""
    return [
        name
        for name, folder in _folders(run).items()
        if (part_paths(folder) or shard_paths(folder)) and not (folder / MANIFEST).exists()
    ]


def _folders(run: Path) -> dict[str, Path]:
    at = RunLayout(run)
    return {
        "problems": at.problems,
        "clean_problems": at.clean_problems,
        "verdicts": at.verdicts,
        "labelled": at.labelled,
        "difficulty": at.difficulty,
        "rollouts": at.rollouts,
        **{name: at.dataset(name) for name in DATASETS},
    }


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a finished training set, in order."""
    return sorted(folder.glob("*-[0-9]*-of-[0-9]*.parquet"))


def query(tables: Tables, sql: str) -> pl.DataFrame:
    """Run one query."""
    result = pl.SQLContext(frames=tables).execute(sql)
    return result.collect()


def manifests(run: Path) -> list[tuple[str, dict[str, Any]]]:
    """Folder (relative to the run) and manifest of every finished step, in the order of the flow."""
    found = [(str(path.parent.relative_to(run)), read_json(path)) for path in sorted(run.rglob(MANIFEST))]
    found.sort(key=lambda pair: order_of(pair[0]))
    return [(folder, manifest) for folder, manifest in found if "rows_in" in manifest]


def _books(run: Path) -> Tables:
    ledger: list[dict[str, Any]] = []
    dropped: list[dict[str, Any]] = []
    checked: list[dict[str, Any]] = []
    named: dict[str, list[dict[str, Any]]] = {"totals": [], "settings": []}
    for position, (folder, manifest) in enumerate(manifests(run)):
        about = {"folder": folder, "step": manifest["step"]}
        ledger.append({name: manifest.get(name) for name in LEDGER} | about | {"position": position})
        dropped += [{**about, "reason": reason, "rows": n} for reason, n in manifest["dropped"].items()]
        for facts in _certified(manifest):
            problems = {"folder": folder, "benchmark": facts.get("name"), "problems": facts.get("rows")}
            checked.append(problems | {name: facts.get(name) for name in ("revision", "licence")})
        for table, rows in named.items():
            rows += [{**about, **leaf} for leaf in _leaves(manifest.get(table) or {})]
    return {
        "ledger": pl.LazyFrame(ledger, schema=LEDGER),
        "ledger_dropped": pl.LazyFrame(dropped, schema=DROPPED_COUNTS),
        "checked_against": pl.LazyFrame(checked, schema=CHECKED),
        **{table: pl.LazyFrame(rows, schema=NAMED) for table, rows in named.items()},
    }


def _certified(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The benchmarks that a decontamination step checked against."""
    found = (manifest.get("totals") or {}).get("certificate", {}).get("benchmarks", [])
    return [facts for facts in found if isinstance(facts, dict)]


def _leaves(value: Any, name: str = "") -> Iterator[dict[str, Any]]:
    """Numbers and texts of nested JSON, by dotted name."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and len(value) <= MAX_ITEMS:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name}.{index}")
    elif isinstance(value, list):
        yield {"name": f"{name}.length", "value": float(len(value)), "text": None}
    elif isinstance(value, bool | str):
        yield {"name": name, "value": None, "text": str(value).lower() if isinstance(value, bool) else value}
    elif isinstance(value, int | float):
        yield {"name": name, "value": float(value), "text": None}


def _evaluation(at: RunLayout) -> pl.LazyFrame:
    rows = []
    for stage in evaluated_stages(at.run)[0]:
        benchmarks = read_json(at.evaluation(stage) / SUMMARY).get("benchmarks", {})
        for benchmark, figures in benchmarks.items():
            about = {"stage": stage, "benchmark": benchmark}
            rows += [
                {**about, "name": x["name"], "value": x["value"]} for x in _leaves(figures) if not x["text"]
            ]
    return pl.LazyFrame(rows, schema=EVALUATION)


def _verifier_errors() -> pl.LazyFrame:
    """The verifier's errors on labelled answers, as `benchmarks/verifier.py` measured them."""
    path = resources.files("data_cards").joinpath("verifier_errors.json")
    rows = json.loads(path.read_text("utf-8"))["rows"] if path.is_file() else []
    return pl.LazyFrame(rows, schema=ERRORS)
