"""Where the data of a run comes from: sources, models, steps and dates, read from its sets and manifests.

The papers (EU, California, Croissant, SPDX) are four ways to write this down; none of them counts anything itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import polars as pl

import factory
from factory.config.load import load_recipe
from factory.config.problems import DRAWN
from factory.config.recipe import Recipe
from factory.errors import UsageError
from factory.publishing.card import NOT_ASKED, USES
from factory.publishing.run_sql import TOKENS, Tables, manifests, run_tables
from factory.run.layout import DATASETS, RunLayout

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
REVISION = re.compile(r"[\w.-]+", re.ASCII)


class Maker(StrEnum):
    """How a text of a model came into the run."""

    CODE = "code of the factory, no model"
    GIVEN = "came with its problem"
    STUDENT = "trained in this run"
    ASKED = "asked by this run"


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """One set. `tokens` counts the responses as their models did; None where the set has no responses."""

    name: str
    use: str
    rows: int
    problems: int
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """Where problems of the sets come from; `drawn` by code rather than read."""

    name: str
    licence: str | None
    rows: int
    problems: int

    @property
    def drawn(self) -> bool:
        """The problems were written by code of the factory or of reasoning-gym."""
        return self.name.startswith(DRAWN)


@dataclass(frozen=True, slots=True)
class Origin:
    """A published set from which responses came, with the licence that it states."""

    name: str
    revision: str | None
    licence: str | None
    responses: int

    @property
    def url(self) -> str | None:
        """Its address on the Hub, when the name has the form of one."""
        if not HUB_NAME.fullmatch(self.name):
            return None
        at = f"/tree/{self.revision}" if self.revision and REVISION.fullmatch(self.revision) else ""
        return f"https://huggingface.co/datasets/{self.name}{at}"


@dataclass(frozen=True, slots=True)
class Model:
    """Who wrote texts of the sets."""

    name: str
    maker: Maker
    texts: int


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step of the run."""

    folder: str
    name: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int]
    finished_at: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a run knows of the origin of its data."""

    recipe: Recipe
    sets: list[TrainingSet]
    sources: list[Source]
    origins: list[Origin]
    models: list[Model]
    steps: list[Step]
    benchmarks: list[str]
    labels: dict[str, list[str]]
    """Values of the label columns (`domain`, `level`)."""
    methods: list[str]
    """How answers were verified."""
    software: str = f"cot-factory {factory.__version__}"

    @property
    def tokens(self) -> int:
        """Tokens in the responses of all sets; a response in two sets counts twice, as it is trained on twice."""
        return sum(each.tokens or 0 for each in self.sets)

    @property
    def dates(self) -> tuple[str, str]:
        """When the first and the last step finished (ISO 8601, UTC)."""
        found = [step.finished_at for step in self.steps]
        return min(found), max(found)

    @property
    def asked_dates(self) -> tuple[str, str] | None:
        """The same of the steps in which models were asked; None where none was."""
        heads = ("responses/teacher", "difficulty/rollouts")
        found = [step.finished_at for step in self.steps if step.folder.startswith(heads) and step.rows_out]
        return (min(found), max(found)) if found and self.by(Maker.ASKED, Maker.STUDENT) else None

    def by(self, *makers: Maker) -> list[Model]:
        """Models whose texts came in one of these ways."""
        return [model for model in self.models if model.maker in makers]

    @property
    def base_model(self) -> str | None:
        """The model that the run fine-tuned; None where it trained none."""
        trained = any(step.name.startswith("train-") for step in self.steps)
        return self.recipe.train.student.model if self.recipe.train is not None and trained else None


def read_provenance(run: Path) -> Provenance:
    """Read it.

    Raises:
        UsageError: the folder holds no recipe or no finished training set.
        FactoryError: a part is missing or damaged.
    """
    at = RunLayout(run)
    if not at.recipe.is_file():
        raise UsageError(f"{run} holds no recipe.yaml", do="give the folder of a `factory run`")
    tables = run_tables(run)
    sets = {name: frame for name, frame in tables.items() if name in DATASETS}
    sized = [size for name, frame in sets.items() if (size := _size(name, frame)).rows]
    if not sized:
        raise UsageError(f"{run} holds no finished training set", do="let `factory run` finish first")
    checked = tables["checked_against"].select("benchmark").unique().sort("benchmark").collect()
    return Provenance(
        load_recipe(at.recipe),
        sized,
        _sources(sets.values()),
        _origins(tables),
        _models(sets, tables),
        [
            Step(folder, m["step"], m["rows_in"], m["rows_out"], m["dropped"], m["finished_at"])
            for folder, m in manifests(run)
        ],
        checked["benchmark"].to_list(),
        {column: _values(sets.values(), column) for column in ("domain", "level")},
        _values(sets.values(), "method"),
    )


def _size(name: str, frame: pl.LazyFrame) -> TrainingSet:
    tokens = TOKENS[name]
    row = frame.select(
        rows=pl.len(),
        problems=pl.col("problem_id").n_unique(),
        tokens=pl.col(tokens).sum() if tokens else pl.lit(None, pl.Int64),
    )
    return TrainingSet(name, USES[name], **row.collect().row(0, named=True))


def _having(frames: Iterable[pl.LazyFrame], *columns: str) -> pl.LazyFrame | None:
    """These columns of the tables that have them all, one below the other."""
    found = [f.select(columns) for f in frames if set(columns) <= set(f.collect_schema().names())]
    return pl.concat(found, how="vertical_relaxed") if found else None


def _values(frames: Iterable[pl.LazyFrame], column: str) -> list[str]:
    found = _having(frames, column)
    return [] if found is None else found.drop_nulls().unique().sort(column).collect()[column].to_list()


def _sources(sets: Iterable[pl.LazyFrame]) -> list[Source]:
    rows = _having(sets, "source", "licence", "problem_id")
    if rows is None:
        return []
    counted = rows.group_by("source", "licence").agg(rows=pl.len(), problems=pl.col("problem_id").n_unique())
    ordered = counted.sort("problems", "source", "licence", descending=[True, False, False]).collect()
    return [Source(*row) for row in ordered.iter_rows()]


def _origins(tables: Tables) -> list[Origin]:
    if "verdicts" not in tables:
        return []
    given = tables["verdicts"].filter(pl.col("source_set").is_not_null())
    counted = given.group_by("source_set", "source_revision", "licence").agg(pl.len()).sort(pl.all())
    return [Origin(*row) for row in counted.collect().iter_rows()]


def _models(sets: dict[str, pl.LazyFrame], tables: Tables) -> list[Model]:
    """Who wrote the texts of the sets. A pair names the sampler alone; its models stand where the responses are."""
    answered = _having(
        (tables[name] for name in ("verdicts", "rollouts") if name in tables), "sampler", "model"
    )
    known = {} if answered is None else _names(answered)
    counts: dict[tuple[str, str], int] = {}
    for columns in (("teacher", "model"), ("chosen_sampler",), ("rejected_sampler",)):
        if (texts := _having(sets.values(), *columns)) is None:
            continue
        for *key, count in texts.group_by(columns).agg(pl.len()).collect().iter_rows():
            sampler, model = (key[0], known.get(key[0], key[0])) if len(key) == 1 else key
            counts[sampler, model] = counts.get((sampler, model), 0) + count
    found = [Model(model, _maker(sampler), count) for (sampler, model), count in counts.items()]
    return sorted(found, key=lambda model: (-model.texts, model.name))


def _names(answered: pl.LazyFrame) -> dict[str, str]:
    """The models behind each sampler; a pair cannot tell them from one another."""
    names = pl.col("model").drop_nulls().unique().sort().str.join(", ")
    return dict(answered.group_by("sampler").agg(names).collect().iter_rows())


def _maker(sampler: str) -> Maker:
    named: dict[str, Maker] = {"procedural": Maker.CODE, "student": Maker.STUDENT}
    return Maker.GIVEN if sampler in NOT_ASKED else named.get(sampler, Maker.ASKED)
