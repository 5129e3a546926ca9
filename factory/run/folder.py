"""A run's folder as a whole: who works in it, whether it is finished, and which is the newest."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import factory
from factory.atomic import digest, disk_error, file_digest, read_json, write_json
from factory.config.prompt import is_function
from factory.errors import FactoryError, UsageError, warn
from factory.functions.source import function_settings
from factory.run.parts import JOB, MANIFEST, SIDE_FOLDER, check_files, check_parts
from factory.run.review import NOTHING, rejected_ids, review_input

if TYPE_CHECKING:
    from factory.config.recipe import Recipe

DONE = "_done.json"
OWN_FILES = ("recipe.yaml", "ledger.json", "report.html")
"""Files of the run itself."""
READ_AT_ONCE = 256 * 2**20
"""Bytes of a run, or of a response store, up to which every look at it reads all of them (a fraction of a second)."""


def is_finished(recipe: Recipe, run: Path) -> bool:
    """True when a run of this very recipe, inputs and review marks ended well and its files are as it left them.

    Raises:
        FactoryError: a file of a step is missing or changed; names it.
    """
    done = run / DONE
    try:
        noted = read_json(done) if done.exists() else None
    except FactoryError as error:
        warn(str(error))
        return False
    if noted is None:
        return False
    for name in changed_files(run):
        if name.endswith(JOB):
            raise FactoryError(
                f"{run / name} is missing or damaged: it names the account of the step's budget",
                do=f"restore it, or delete {done} to begin a new account",
            )
        if not (run / name).exists():
            warn(f"{run / name} is missing: what it describes is made again if the recipe has it")
    if noted != _state(recipe, run, rejected_ids(run)):
        return False
    _check_steps(run)
    return True


def saved_recipe(run: Path) -> tuple[dict[str, Any], list[str]]:
    """The keys of the recipe that a run keeps, unchecked; empty when there is none; and what is wrong with the file."""
    path = run / "recipe.yaml"
    if not path.is_file():
        return {}, []
    try:
        value = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}, ["recipe.yaml: not readable as YAML"]
    return (value, []) if isinstance(value, dict) else ({}, ["recipe.yaml: not a mapping"])


def mark_finished(recipe: Recipe, run: Path, rejected: Collection[str] = NOTHING) -> None:
    """Note that the run ended well; `is_finished` compares with this note.

    `rejected` are the ids that the run's steps left out, not those of now: a mark set while the run went on is new.

    Raises:
        FactoryError: a file of a step is missing or changed; names it.
    """
    _check_steps(run)
    write_json(run / DONE, _state(recipe, run, rejected), seal=True)


def changed_files(run: Path) -> list[str]:
    """Files of a finished run that are not as its end left them: recipe, ledger, manifests. The report may be newer."""
    noted = read_json(run / DONE).get("files", {}) if (run / DONE).exists() else {}
    now = _files(run)
    return [name for name, sha256 in noted.items() if name != "report.html" and now.get(name) != sha256]


def _check_steps(run: Path) -> None:
    """Every byte of all steps, up to `READ_AT_ONCE`; of a larger run sizes, times, and what was written since."""
    check = check_parts if tree_bytes(run) <= READ_AT_ONCE else check_files
    for manifest in sorted(run.rglob(MANIFEST)):
        check(manifest.parent)


def tree_bytes(folder: Path) -> int:
    """Bytes of all files at or below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _state(recipe: Recipe, run: Path, rejected: Collection[str]) -> dict[str, Any]:
    """Recipe, state of the source files and of functions, review marks, and the run's files that no manifest names."""
    named = [*recipe.problems.specs, *recipe.decontamination.against, *recipe.evaluation.benchmarks]
    files = [Path(name) for name in named if Path(name).is_file()]
    return {
        "factory": factory.__version__,
        "recipe": digest(recipe.model_dump(mode="json")),
        "sources": {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in files},
        "files": _files(run),
        **review_input(rejected),
        **({"functions": own} if (own := _functions(recipe)) else {}),
    }


def _functions(recipe: Recipe) -> dict[str, str]:
    """The user's own functions, by what they are for."""
    prompt = recipe.generate.prompt
    return function_settings(
        checker=recipe.verify.checker,
        label=recipe.datasets.label,
        filter=recipe.datasets.filter,
        prompt=str(prompt) if is_function(prompt) else None,
    )


def _files(run: Path) -> dict[str, str]:
    own = [run / name for name in OWN_FILES if (run / name).exists()]
    paths = [*own, *sorted(run.glob(f"*/*/{SIDE_FOLDER}/{JOB}")), *sorted(run.rglob(MANIFEST))]
    return {str(path.relative_to(run)): file_digest(path) for path in paths}


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep a second process away from the run's folder.

    Raises:
        UsageError: another process works there, or the folder holds files that no run wrote and a run would replace.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        for name in OWN_FILES:
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
        for left in run.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        yield


def newest_run(runs: Path) -> Path:
    """The run below `runs` whose manifests are the youngest.

    Raises:
        UsageError: there is no run.
    """
    found = [
        (
            max(path.stat().st_mtime for path in (*run.glob("recipe.yaml"), *run.glob("*/*/_manifest.json"))),
            run,
        )
        for run in (runs.iterdir() if runs.is_dir() else ())
        if run.is_dir() and ((run / "recipe.yaml").exists() or any(run.glob("*/*/_manifest.json")))
    ]
    if not found:
        raise UsageError(
            f"no run below {runs}/", do="name one with --run, or make one with `factory run quickstart`"
        )
    return max(found, key=lambda pair: (pair[0], str(pair[1])))[1]
