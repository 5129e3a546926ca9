"""A run's folder as a whole: who works in it, and whether it is finished."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import factory
from factory.atomic import digest, disk_error, read_json, write_json
from factory.errors import UsageError
from factory.run.parts import MANIFEST, check_files
from factory.run.review import NOTHING, rejected_ids, review_input

if TYPE_CHECKING:
    from factory.config.recipe import Recipe

DONE = "_done.json"


def is_finished(recipe: Recipe, run: Path) -> bool:
    """True when a run of this very recipe, inputs and review marks ended well and its files are still there.

    Raises:
        FactoryError: a file of a step is missing or changed; names it.
    """
    done = run / DONE
    if not done.exists() or read_json(done) != _fingerprint(recipe, run, rejected_ids(run)):
        return False
    for manifest in sorted(run.rglob(MANIFEST)):
        check_files(manifest.parent)
    return True


def mark_finished(recipe: Recipe, run: Path, rejected: Collection[str] = NOTHING) -> None:
    """Note that the run ended well; `is_finished` compares with this note.

    `rejected` are the ids that the run's steps left out, not those of now: a mark set while the run went on is new.
    """
    write_json(run / DONE, _fingerprint(recipe, run, rejected))


def _fingerprint(recipe: Recipe, run: Path, rejected: Collection[str]) -> dict[str, Any]:
    """Recipe, state of the source files, review marks, and every step's output digest."""
    named = [*recipe.problems.sources, *recipe.decontamination.against, *recipe.evaluation.benchmarks]
    files = [Path(name) for name in named if Path(name).is_file()]
    manifests = sorted(run.rglob(MANIFEST))
    return {
        "factory": factory.__version__,
        "recipe": digest(recipe.model_dump(mode="json")),
        "sources": {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in files},
        "steps": {
            str(path.parent.relative_to(run)): read_json(path).get("output_digest") for path in manifests
        },
        "report": (run / "report.html").exists(),
        **review_input(rejected),
    }


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep a second process away from the run's folder.

    Raises:
        UsageError: another process works there, or the folder holds files that no run wrote and a run would replace.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        for name in ("recipe.yaml", "ledger.json", "report.html"):
            if (run / name).exists() and not (run / ".lock").exists():
                raise UsageError(
                    f"{run / name} was not written by a run, which would write to {run}",
                    do="choose another folder with --out",
                )
        handle = (run / ".lock").open("a+")
    except OSError as error:
        raise disk_error(error, run) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            raise UsageError(
                f"{run} is in use by process {handle.read().strip() or 'unknown'}",
                do="wait for it to end, or choose another folder with --out",
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        (run / DONE).unlink(missing_ok=True)
        yield
