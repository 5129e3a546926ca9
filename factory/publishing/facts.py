"""What the card says in numbers: each fact is a title and the query that computes it, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from factory.publishing.tables import Tables, query

TOKENS = {
    "midtrain": "completion_tokens",
    "sft": "completion_tokens",
    "preference": "chosen_tokens",
    "rl": None,
}
"""Column with the length of a row's (chosen) response."""


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
    """Every fact that can be computed from the tables that are there."""
    everything = [
        Fact(
            "funnel",
            "Rows in, out and dropped, a step",
            "SELECT folder, unit, rows_in, rows_out, rows_dropped FROM ledger ORDER BY position",
            "ledger",
        ),
        Fact(
            "dropped",
            "Dropped rows by reason",
            "SELECT folder, reason, rows FROM ledger_dropped ORDER BY folder, rows DESC, reason",
            "ledger_dropped",
        ),
        Fact(
            "models",
            "Models that answered",
            "SELECT sampler, model, count(*) AS responses FROM verdicts GROUP BY sampler, model "
            "ORDER BY responses DESC, sampler, model",
            "verdicts",
        ),
        Fact(
            "status",
            "How the responses ended",
            "SELECT status, count(*) AS responses FROM verdicts GROUP BY status ORDER BY responses DESC, status",
            "verdicts",
        ),
        Fact(
            "verdicts",
            "Verdicts by method",
            "SELECT method, verdict, count(*) AS responses FROM verdicts GROUP BY method, verdict "
            "ORDER BY responses DESC, method, verdict",
            "verdicts",
        ),
        Fact(
            "bands",
            "Pass rate of the student",
            "SELECT band, count(*) AS problems, avg(pass_rate) AS mean_pass_rate, sum(attempts) AS rollouts "
            "FROM difficulty GROUP BY band ORDER BY mean_pass_rate",
            "difficulty",
        ),
        Fact(
            "cost",
            "Tokens and dollars",
            "SELECT folder, name, value FROM totals "
            "WHERE name IN ('prompt_tokens', 'completion_tokens', 'reasoning_tokens', 'usd') "
            "ORDER BY folder, name",
            "totals",
        ),
        Fact(
            "benchmarks",
            "Benchmarks checked against",
            "SELECT DISTINCT benchmark, problems, revision, licence FROM checked_against ORDER BY benchmark",
            "checked_against",
        ),
        _named(
            "decontamination",
            "Decontamination certificate",
            "step LIKE 'decontaminate%' AND name NOT LIKE 'certificate.benchmarks.%'",
        ),
        _named("deduplication", "Deduplication audit", "step LIKE 'dedup%'"),
        Fact(
            "verifier_errors",
            "Errors of the verifier on labelled answers",
            "SELECT cases, labelled_right, right_rejected, labelled_wrong, wrong_accepted, undecided "
            "FROM verifier_errors ORDER BY cases",
            "verifier_errors",
        ),
        _named("verification", "Counts of the verification step", "step LIKE 'verify%'"),
        _named("pairs", "Lint of the preference pairs", "step LIKE 'preference%' OR step LIKE 'pairs%'"),
        Fact(
            "evaluation",
            "Students trained on this data",
            "SELECT benchmark, stage, name, value FROM evaluation "
            "WHERE name IN ('pass_at_1', 'low', 'high', 'questions') ORDER BY benchmark, stage, name",
            "evaluation",
        ),
    ]
    for dataset, tokens in TOKENS.items():
        everything += _of_set(dataset, tokens)
    return [fact for fact in everything if fact.needs in tables]


def answer(tables: Tables) -> dict[str, Answer]:
    """Every fact with its rows, by name; facts without rows are left out."""
    answers = {fact.name: Answer(fact, query(tables, fact.sql)) for fact in facts(tables)}
    return {name: found for name, found in answers.items() if found.rows.height}


def _of_set(dataset: str, tokens: str | None) -> list[Fact]:
    length = f", sum({tokens}) AS tokens" if tokens else ""
    group = "SELECT {0}, count(*) AS rows FROM {1} GROUP BY {0} ORDER BY rows DESC, {0}"
    found = [
        Fact(
            f"{dataset}_size",
            f"Size of {dataset}",
            f"SELECT count(*) AS rows, count(DISTINCT problem_id) AS problems{length} FROM {dataset}",
            dataset,
        ),
        Fact(f"{dataset}_domains", f"Domains of {dataset}", group.format("domain", dataset), dataset),
        Fact(f"{dataset}_levels", f"Levels of {dataset}", group.format("level", dataset), dataset),
        Fact(
            f"{dataset}_licences",
            f"Sources and licences of {dataset}",
            f"SELECT source, licence, count(*) AS rows FROM {dataset} GROUP BY source, licence "
            "ORDER BY rows DESC, source, licence",
            dataset,
        ),
    ]
    if tokens:
        spread = ", ".join(
            f"quantile_disc({tokens}, {q}) AS {name}"
            for q, name in ((0.1, "p10"), (0.5, "median"), (0.9, "p90"), (0.99, "p99"))
        )
        sql = f"SELECT min({tokens}) AS shortest, {spread}, max({tokens}) AS longest FROM {dataset}"
        found.append(Fact(f"{dataset}_lengths", f"Response lengths of {dataset}, tokens", sql, dataset))
    return found


def _named(name: str, title: str, where: str) -> Fact:
    sql = f"SELECT folder, name, value, text FROM totals WHERE {where} ORDER BY folder, name"
    return Fact(name, title, sql, "totals")
