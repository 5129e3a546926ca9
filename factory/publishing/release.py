"""The release: everything that goes to the Hub, complete on this machine first, under `RUN/release/`.

Training sets are linked, not copied. Rollouts and dropped rows are rewritten: measured times are left out, and the text
of a dropped row is kept only when its problem passed decontamination, so that what was dropped for repeating a
benchmark does not come back through the table of dropped rows.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from factory.atomic import atomic_path, digest, file_digest, read_json, write_json
from factory.publishing.answers import answers_file, read_answers
from factory.publishing.card import notes_of, render_card
from factory.publishing.croissant import build_croissant
from factory.publishing.ordering import sorted_rows
from factory.publishing.provenance import read_provenance
from factory.publishing.run_sql import manifests, shard_paths
from factory.publishing.shards import SORT_KEYS, write_shards
from factory.publishing.spdx import build_spdx
from factory.run.layout import DATASETS, RunLayout
from factory.run.parts import MANIFEST, dropped_folder, input_digest, iter_parts, part_paths
from schemas import DROPPED, VERDICT, TableSchema

STATE = ".state.json"
"""Digests of what the written tables were made of, inside the release folder; never published."""
README = "README.md"
CROISSANT = "croissant.json"
SPDX = "spdx.json"
DROPPED_TEXT = ("detail", "evidence", "row")
"""Columns of a dropped row that may hold its text."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file of a release."""

    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """A complete release. `files` is path in the repository to file, in order of path."""

    folder: Path
    files: dict[str, LocalFile]
    card: str
    """The card as it is made of the data; `README.md` also holds what people wrote in the repository, once it was asked."""

    @property
    def paths(self) -> dict[str, Path]:
        """Path in the repository to local path."""
        return {name: file.path for name, file in self.files.items()}

    @property
    def digest(self) -> str:
        """Digest of the data files: the same for the same data, whatever the card says."""
        return digest({name: file.sha256 for name, file in self.files.items() if name.endswith(".parquet")})


def release_folder(run: Path) -> Path:
    """Where a run's release lies."""
    return run / "release"


def build_release(run: Path, *, repo: str | None = None) -> Release:
    """Make `RUN/release/` what the repository will be. Tables whose rows have not changed are not written again.

    Raises:
        UsageError: the run holds no recipe or no finished training set.
        Stopped: the disk is full.
    """
    at, folder = RunLayout(run), release_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    configs: dict[str, list[Path]] = {}
    for name in DATASETS:
        source = at.dataset(name)
        if (source / MANIFEST).exists() and read_json(source / MANIFEST)["rows_out"]:
            configs[name] = _linked(shard_paths(source), folder / name)
    extra = {
        "rollouts": (VERDICT, _rollouts(at, folder), [at.rollouts]),
        "dropped": (DROPPED, _dropped(run), [run / name for name, m in manifests(run) if m["rows_dropped"]]),
    }
    for name, (schema, rows, inputs) in extra.items():
        if shards := _table(
            folder, name, schema, rows, [path for path in inputs if (path / MANIFEST).exists()]
        ):
            configs[name] = shards
    for stale in folder.iterdir():
        if stale.is_dir() and stale.name not in configs:
            shutil.rmtree(stale)
    digests = {path: file_digest(path) for shards in configs.values() for path in shards}
    texts = _texts(run, folder, repo, configs)
    facts, answers = read_provenance(run), read_answers(answers_file(run))
    for name, build in ((CROISSANT, build_croissant), (SPDX, build_spdx)):
        write_json(folder / name, build(facts, answers, folder, configs, digests, repo=repo))
        texts.append(folder / name)
    digests |= {path: file_digest(path) for path in texts}
    local = {
        str(path.relative_to(folder)): LocalFile(path, path.stat().st_size, sha256)
        for path, sha256 in digests.items()
    }
    return Release(folder, dict(sorted(local.items())), (folder / README).read_text("utf-8"))


def _texts(run: Path, folder: Path, repo: str | None, configs: dict[str, list[Path]]) -> list[Path]:
    """Write the card and copies of recipe and ledger."""
    at = RunLayout(run)
    card = next((path for path in (run / README, folder / README) if path.is_file()), None)
    notes = notes_of(card.read_text("utf-8")) if card else ""
    extra = tuple(name for name in configs if name not in DATASETS)
    texts = {
        README: render_card(run, repo=repo, notes=notes, extra=extra),
        "recipe.yaml": at.recipe.read_text("utf-8"),
        "ledger.json": at.ledger.read_text("utf-8"),
    }
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, "utf-8")
    return [folder / name for name in texts]


def _linked(shards: list[Path], folder: Path) -> list[Path]:
    """Put shards into a folder as hard links; copies where the disk cannot link."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in shards:
        try:
            os.link(path, folder / path.name)
        except OSError:
            shutil.copy2(path, folder / path.name)
    return [folder / path.name for path in shards]


def _table(
    folder: Path, name: str, schema: TableSchema, rows: Iterable[pa.Table], inputs: list[Path]
) -> list[Path]:
    """Write one table as shards unless the state says that it was made of the same inputs; nothing without rows."""
    state = read_json(folder / STATE) if (folder / STATE).exists() else {}
    made_of = digest(
        [[str(path.name), input_digest(path), read_json(path / MANIFEST)["files"]] for path in inputs]
    )
    if state.get(name) != made_of:
        (folder / STATE).unlink(missing_ok=True)
        shutil.rmtree(folder / name, ignore_errors=True)
        if inputs and not write_shards(folder / name, rows, schema).rows:
            shutil.rmtree(folder / name)
        write_json(folder / STATE, state | {name: made_of})
    return shard_paths(folder / name)


def _rollouts(at: RunLayout, folder: Path) -> Iterator[pa.Table]:
    """Student responses with verdicts, sorted, without measured times."""
    for table in sorted_rows(part_paths(at.rollouts), SORT_KEYS["verdict"], folder / ".sort.tmp"):
        yield table.drop_columns([name for name in VERDICT.clock_names if name in table.column_names])


def _dropped(run: Path) -> Iterator[pa.Table]:
    """Dropped rows of every step with the step's folder; text only where the problem passed decontamination."""
    clean = RunLayout(run).clean_problems
    passed = (
        pl.concat([part["id"] for part in iter_parts(clean)])
        if part_paths(clean)
        else pl.Series([], dtype=pl.String)
    )
    for name, _ in manifests(run):
        for part in iter_parts(dropped_folder(run / name)):
            shown = pl.col("problem_id").is_in(passed.implode()) & ~pl.col("step").str.starts_with(
                "decontaminate"
            )
            rows = part.with_columns(
                folder=pl.lit(name),
                **{column: pl.when(shown).then(pl.col(column)) for column in DROPPED_TEXT},
            )
            yield rows.sort(SORT_KEYS["dropped"], maintain_order=True).to_arrow()
