"""What a folder holds: finished steps below it, and response stores; and whether all of it is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from factory.atomic import read_json
from factory.errors import FactoryError, UsageError
from factory.progress.live import read_notes
from factory.run.folder import DONE, OWN_FILES, READ_AT_ONCE, changed_files, tree_bytes
from factory.run.ledger import LedgerRow, read_ledger
from factory.run.parts import DROPPED_NAMES, MANIFEST, SIDE_FOLDER, check_parts
from factory.run.review import read_reviews
from factory.sampling.store.backup import check_store
from factory.sampling.store.journal import ResponseStore
from factory.sampling.store.journals import PATTERN


def read_status(folder: Path, *, check: bool | None = False) -> dict[str, Any]:
    """Steps (from their manifests), those that run, and stores at or below a folder, and what is wrong with them.

    Every byte is read with `check`, or when there are at most `READ_AT_ONCE`; never when `check` is None. `faults` is None
    where not every byte was read.

    Raises:
        UsageError: there is neither.
        FactoryError: they cannot be read.
    """
    read = check is not None and (check or tree_bytes(folder) <= READ_AT_ONCE)
    faults = check_folder(folder) if read else None
    try:
        steps = [_step(row, read_json(folder / row.folder / MANIFEST)) for row in read_ledger(folder)]
        stores = [_store(path) for path in store_folders(folder)]
    except FactoryError as error:
        raise FactoryError("\n".join(faults)) if faults else error from None
    running = read_notes(folder)
    if not steps and not stores and not running:
        raise UsageError(f"{folder} holds no finished step and no response store")
    return {"steps": steps, "running": running, "stores": stores, "faults": faults}


def _step(row: LedgerRow, manifest: dict[str, Any]) -> dict[str, Any]:
    names = ("step", "folder", "unit", "rows_in", "rows_out", "dropped", "balanced")
    measured = {name: manifest.get(name) for name in ("seconds", "session")}
    return {name: getattr(row, name) for name in names} | measured


def store_folders(folder: Path) -> list[Path]:
    """The response stores at or below a folder; one whose journal is lost, too."""
    return sorted({found.parent for name in (PATTERN, f"{PATTERN}.seal") for found in folder.rglob(name)})


def check_folder(folder: Path) -> list[str]:
    """Read everything that a run or a verb wrote below a folder; what is wrong, and what to do, one line for each file."""
    faults: list[str] = []

    def look(work: Any, *arguments: Any) -> Any:
        try:
            return work(*arguments)
        except FactoryError as error:
            faults.extend(str(error).split("\n"))
            return None

    # Parts and shards; an rl stage's own rollouts (`step-*.parquet`) are notes of its training, not a step's output.
    patterns = (MANIFEST, "part-[0-9]*.parquet", "*-of-[0-9]*.parquet")
    steps = sorted({path.parent for name in patterns for path in folder.rglob(name)})
    for step in steps:
        parts = step.relative_to(folder).parts
        hidden = step.name in (*DROPPED_NAMES, SIDE_FOLDER) or any(part.startswith(".") for part in parts)
        if (step / MANIFEST).exists():
            look(check_parts, step)
        elif not hidden:
            faults.append(
                f"{step / MANIFEST} is missing - restore it, or delete {step} and run its step again"
            )
    look(_check_run, folder, faults)
    look(read_reviews, folder)
    for store in store_folders(folder):
        faults += check_store(store)
    return list(dict.fromkeys(faults))


def _check_run(run: Path, faults: list[str]) -> None:
    """The files of a run as a whole."""
    again = f"run `factory run` again with --out {run}"
    if not (run / ".lock").exists():
        return
    faults += [f"{run / name} is missing - {again}" for name in OWN_FILES[:1] if not (run / name).exists()]
    for name in changed_files(run):
        faults.append(f"{run / name} is not what {DONE} says that the run wrote - {again}")
    if (run / "recipe.yaml").exists():
        try:
            yaml.safe_load((run / "recipe.yaml").read_text("utf-8"))
        except (yaml.YAMLError, ValueError):
            faults.append(f"{run / 'recipe.yaml'} is damaged - {again}")
    if (run / "ledger.json").exists():
        for row in read_json(run / "ledger.json")["steps"]:
            if not (run / row["folder"] / MANIFEST).exists():
                faults.append(f"{run / row['folder'] / MANIFEST} is missing - {again}")


def _store(folder: Path) -> dict[str, Any]:
    with ResponseStore(folder) as store:
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        return {"folder": str(folder), "responses": store.summary(), "bytes": size}
