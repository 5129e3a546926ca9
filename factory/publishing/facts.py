"""What the card says in numbers: each fact is a title and the query that computes it, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import polars as pl

from factory.publishing.run_sql import Tables, query

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
