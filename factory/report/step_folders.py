"""Step folders on disk, validated before reading: complete, corrupt, incomplete or missing.

A part whose bytes differ from the manifest's checksum is left out and named; a folder without a manifest is a step
that did not finish and is left out of every figure. Nothing here raises for a broken run: faults are values, so that
report and viewer can say what they do not show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from factory.atomic import file_digest, read_json
from factory.errors import FactoryError, UsageError
from factory.run.folder import READ_AT_ONCE, changed_files, saved_recipe, tree_bytes
from factory.run.layout import Kind, RunLayout, expected_places, order_of
from factory.run.parts import DROPPED_NAMES, JOB, MANIFEST, SIDE_FOLDER


class State(StrEnum):
    """How much of a step's output can be trusted."""

    COMPLETE = "complete"
    CORRUPT = "corrupt"
    INCOMPLETE = "incomplete"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class StepFolder:
    """One step's output: its sound parts, its manifest and what is wrong with it."""

    name: str
    path: Path
    state: State
    parts: tuple[Path, ...] = ()
    dropped: tuple[Path, ...] = ()
    manifest: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    @property
    def readable(self) -> bool:
        """True when the step finished and at least one part is sound."""
        return self.state in (State.COMPLETE, State.CORRUPT) and bool(self.parts)

    @property
    def totals(self) -> dict[str, Any]:
        """The step's own sums and facts."""
        found = self.manifest.get("totals")
        return found if isinstance(found, dict) else {}

    @property
    def lost(self) -> dict[str, int]:
        """Dropped rows by reason, as the manifest has them."""
        found = self.manifest.get("dropped")
        facts = found if isinstance(found, dict) else {}
        return {str(reason): n for reason, n in facts.items() if isinstance(n, int)}

    def columns(self) -> list[str]:
        """Column names of the first sound part; empty when nothing is readable."""
        return list(pq.read_schema(self.parts[0]).names) if self.readable else []

    def rows(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The step's sound rows; columns that the table lacks come as nulls; no rows when nothing is readable."""
        return read_columns(self.parts if self.readable else (), columns)

    def typed(self, **types: Any) -> pl.DataFrame:
        """`rows` of these columns, each of the type that is named; what cannot be one is null."""
        rows = self.rows(list(types))
        return pl.DataFrame([as_type(rows[name], kind) for name, kind in types.items()])

    def dropped_rows(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The step's sound dropped rows (schemas.DROPPED)."""
        return read_columns(self.dropped if self.state != State.INCOMPLETE else (), columns)


@dataclass(frozen=True, slots=True)
class RunTables:
    """Everything of a run that the report, the viewer and `why` read."""

    run: Path
    layout: RunLayout
    recipe: dict[str, Any]
    folders: dict[str, StepFolder]
    faults: tuple[str, ...]

    def at(self, path: Path) -> StepFolder:
        """The step folder at `path` (one of `RunLayout`), absent ones included."""
        name = _name(self.run, path)
        return self.folders.get(name) or StepFolder(name, path, State.ABSENT)

    def first(self, *paths: Path) -> StepFolder:
        """The first of `paths` that is readable, else the last one."""
        for path in paths:
            if self.at(path).readable:
                return self.at(path)
        return self.at(paths[-1])

    @property
    def best_verdicts(self) -> StepFolder:
        """The furthest table of teacher responses with verdicts."""
        at = self.layout
        return self.first(at.labelled, at.clean_verdicts, at.unique_verdicts, at.verdicts)


def open_run(run: Path, *, check: bool = True) -> RunTables:
    """Look at every step folder of a run.

    Args:
        run: the run folder, or the output folder of a single verb.
        check: compare every part with its checksum (reads every byte once) however large the run is; sizes are compared
            always, and every byte of at most `READ_AT_ONCE`.

    Raises:
        UsageError: `run` is no folder or holds no tables.
    """
    if not run.is_dir():
        raise UsageError(f"{run} is not a folder", do="give a run folder, such as runs/quickstart")
    check = check or tree_bytes(run) <= READ_AT_ONCE
    folders = {
        _name(run, path): inspect(path, _name(run, path), check=check) for path in sorted(_step_paths(run))
    }
    begun = (run / "recipe.yaml").exists() or (run / SIDE_FOLDER / JOB).exists()
    if not folders and not begun:
        raise UsageError(
            f"{run} holds no tables of a run", do="give a folder that `factory run` or a verb wrote"
        )
    recipe, recipe_faults = saved_recipe(run)
    faults = [fault for folder in folders.values() for fault in folder.faults] + recipe_faults
    try:
        faults += [f"{name}: not what the run wrote" for name in changed_files(run)]
    except FactoryError as error:
        faults.append(str(error))
    return RunTables(run, RunLayout(run), recipe, folders, tuple(faults))


def inspect(path: Path, name: str, *, check: bool = True) -> StepFolder:
    """Judge one step's folder."""
    on_disk = tuple(sorted(path.glob("*.parquet")))
    if not (path / MANIFEST).exists():
        if not on_disk:
            return StepFolder(name, path, State.ABSENT)
        fault = (
            f"{name}: the step did not finish ({len(on_disk)} parts, no manifest); left out of every figure"
        )
        return StepFolder(name, path, State.INCOMPLETE, on_disk, faults=(fault,))
    try:
        manifest = read_json(path / MANIFEST)
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files", {}), dict):
            raise UsageError(f"{path / MANIFEST} is no manifest")
    except FactoryError as error:
        fault = f"{name}: manifest unreadable ({error}); left out of every figure"
        return StepFolder(name, path, State.INCOMPLETE, on_disk, faults=(fault,))
    sound, faults = [], []
    for file, expected in sorted(manifest.get("files", {}).items()):
        if not file.endswith(".parquet"):
            continue
        wrong = _fault(path, file, expected, check=check)
        if wrong:
            faults.append(f"{name}/{file}: {wrong}; its rows are left out")
        else:
            sound.append(path / file)
    parts = tuple(p for p in sound if p.parent == path)
    dropped = tuple(p for p in sound if p.parent.name in DROPPED_NAMES)
    state = State.CORRUPT if faults else State.COMPLETE
    return StepFolder(name, path, state, parts, dropped, manifest, tuple(faults))


def as_type(column: pl.Series, kind: Any) -> pl.Series:
    """The column as `kind`; what cannot be one is null."""
    try:
        if column.dtype == kind or not column.dtype.is_nested():
            return column.cast(kind, strict=False)
    except pl.exceptions.PolarsError:  # what has no cast, and bytes that are no text
        pass
    return pl.Series(column.name, [None], kind).new_from_index(0, column.len())


def read_columns(paths: Sequence[Path], columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Rows of Parquet files; wanted columns that are absent come as nulls."""
    return scan_columns(paths, columns).collect()


def scan_columns(paths: Sequence[Path], columns: Sequence[str] | None = None) -> pl.LazyFrame:
    """`read_columns` without reading; no files are a frame without rows."""
    if not paths:
        return pl.LazyFrame(schema={name: pl.Null for name in columns or ()})
    scan = pl.scan_parquet(list(paths), missing_columns="insert", extra_columns="ignore")
    if columns is None:
        return scan
    present = set(scan.collect_schema().names())
    return scan.select([pl.col(name) if name in present else pl.lit(None).alias(name) for name in columns])


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """JSON objects of a `metrics.jsonl`; a torn last line (a killed trainer) is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def missing_folders(tables: RunTables) -> list[str]:
    """Folders that a finished run of this recipe has and this one has not yet."""

    def there(folder: str, kind: Kind) -> bool:
        return any(
            (each.readable or each.faults or kind == Kind.TRAIN)
            and (name == folder or name.startswith(f"{folder}/"))
            for name, each in tables.folders.items()
        )

    places = [
        place for place in expected_places(tables.recipe) if place.kind not in (Kind.SELECT, Kind.IMPORT)
    ]
    return [place.folder for place in places if not there(place.folder, place.kind)]


def ordered(tables: RunTables) -> list[StepFolder]:
    """Step folders in the order of the pipeline; others after them, oldest first."""
    return sorted(
        tables.folders.values(),
        key=lambda each: (order_of(each.name)[0], str(each.manifest.get("finished_at", "")), each.name),
    )


def _step_paths(run: Path) -> Iterator[Path]:
    seen = set()
    for pattern in (MANIFEST, "part-*.parquet"):
        for file in run.rglob(pattern):
            folder = file.parent
            hidden = any(
                part.startswith(".") or part in ("store", "__store") for part in folder.relative_to(run).parts
            )
            if folder.name not in DROPPED_NAMES and not hidden and folder not in seen:
                seen.add(folder)
                yield folder


def _fault(path: Path, file: str, expected: Any, *, check: bool) -> str | None:
    part = path / file
    if not part.is_file():
        return "missing"
    expected = expected if isinstance(expected, dict) else {}
    if part.stat().st_size != expected.get("bytes", part.stat().st_size):
        return "corrupt (size differs from the manifest)"
    if check and file_digest(part) != expected.get("sha256"):
        return "corrupt (checksum differs from the manifest)"
    return None


def _name(run: Path, path: Path) -> str:
    return str(path.relative_to(run)) if path != run else run.resolve().name
