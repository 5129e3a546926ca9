"""Parameters that several verbs share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import ValidationError

from factory.cli.flags import Flag, Use
from factory.config.base import faults
from factory.config.datasets import DatasetsSection
from factory.config.problems import ProblemsSection, ReadingSection, SourceSection
from factory.engines.engine import EngineName
from factory.errors import UsageError

Inputs = Annotated[list[str], Flag("Files, folders or globs.", words=True, metavar="IN...")]
Problems = Annotated[ProblemsSection, Use(skip=("held_out",), words="sources")]
Prompting = Annotated[DatasetsSection, Use(only=("prompt", "system"))]
"""The user and system message that a student sees, as in its training rows."""
Out = Annotated[Path, Flag("Folder to write.")]
Run = Annotated[
    Path | None, Flag("Folder of a run; the newest below runs/ by default.", words=True, metavar="[RUN]")
]
Engine = Annotated[EngineName, Flag("Where the work runs: this machine, or a Ray cluster (RAY_ADDRESS).")]
Store = Annotated[Path | None, Flag("Response store; $FACTORY_STORE or OUT/__store by default.")]
AsJson = Annotated[bool, Flag("Print JSON.", name="json")]
Seed = Annotated[int, Flag("Seed of every random choice.")]


def store_folder(store: Path | None, out: Path) -> Path:
    """Where the responses are kept."""
    from factory.run.parts import default_store

    return store or Path(os.environ.get("FACTORY_STORE") or default_store(out))


def sources_of(inputs: Sequence[str], settings: ReadingSection) -> list[SourceSection]:
    """Files with what the user says of them.

    Raises:
        UsageError: a path is empty, or what is said does not fit it.
    """
    try:
        return [SourceSection(**settings.model_dump(), path=each) for each in inputs]
    except ValidationError as error:
        raise UsageError("\n".join(what for _, what, _ in faults(error, SourceSection))) from error


def run_folder(run: Path | None) -> Path:
    """The run that was named, or else the newest, which is said.

    Raises:
        UsageError: none was named, and there is none below runs/.
    """
    if run is not None:
        return run
    from factory.cli.show import say
    from factory.run.folder import newest_run

    found = newest_run(Path("runs"))
    say(f"{found}, the newest run", err=True)
    return found
