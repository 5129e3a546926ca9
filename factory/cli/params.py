"""Parameters that several verbs share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from factory.cli.flags import Flag, Use
from factory.config.datasets import DatasetsSection
from factory.config.problems import ProblemsSection
from factory.engines.engine import EngineName

Inputs = Annotated[list[str], Flag("Files, folders or globs.", words=True, metavar="IN...")]
Problems = Annotated[ProblemsSection, Use(skip=("held_out",), words="sources")]
Prompting = Annotated[DatasetsSection, Use(only=("prompt", "system"))]
"""The user and system message that a student sees, as in its training rows."""
Out = Annotated[Path, Flag("Folder to write.")]
Run = Annotated[Path, Flag("Folder of a run, such as runs/quickstart.", words=True, metavar="RUN")]
Engine = Annotated[EngineName, Flag("Where the work runs: this machine, or a Ray cluster (RAY_ADDRESS).")]
Store = Annotated[Path | None, Flag("Response store; $FACTORY_STORE or OUT/__store by default.")]
AsJson = Annotated[bool, Flag("Print JSON.", name="json")]
Seed = Annotated[int, Flag("Seed of every random choice.")]


def store_folder(store: Path | None, out: Path) -> Path:
    """Where the responses are kept."""
    from factory.run.parts import default_store

    return store or Path(os.environ.get("FACTORY_STORE") or default_store(out))
