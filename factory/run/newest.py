"""Which run is meant when none is named."""

from __future__ import annotations

from pathlib import Path

from factory.errors import UsageError


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
