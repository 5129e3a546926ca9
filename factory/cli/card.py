"""`factory card`: write a run's data card, computed from its manifests and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.params import Run, run_folder
from factory.cli.show import say


def command(
    run: Run = None,
    out: Annotated[Path | None, Flag("File to write or check; RUN/README.md by default.")] = None,
    check: Annotated[bool, Flag("Fail when the card and the data disagree.")] = False,
    repo: Annotated[str | None, Flag("Hub repository for the loading example.")] = None,
) -> None:
    """Write a run's data card, or check that an existing one still agrees with the data.

    factory card runs/quickstart
    """
    from factory.atomic import atomic_path
    from factory.publishing.card import check_card, notes_of, render_card

    run = run_folder(run)
    path = out or run / "README.md"
    if check:
        check_card(run, path, repo=repo)
        say(f"{path} agrees with the data in {run}")
        return
    notes = notes_of(path.read_text("utf-8")) if path.is_file() else ""
    text = render_card(run, repo=repo, notes=notes)
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    say(
        f"{path}: {len(text.splitlines()):,} lines", f"next: factory publish OWNER/NAME --run {run} --dry-run"
    )
