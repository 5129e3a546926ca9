"""`factory store`: copy a response store, also while it is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.show import say


def command(
    action: Annotated[str, Flag("`backup` is the one there is.", words=True, metavar="backup")],
    folder: Annotated[
        Path, Flag("A run, a verb's folder, or a response store.", words=True, metavar="FOLDER")
    ],
    out: Annotated[Path, Flag("File to write: one SQLite file that holds the whole store.")],
) -> None:
    """Copy the response store of a run into one file, checked; whoever writes to the store goes on.

    factory store backup runs/quickstart --out backup.sqlite
    """
    from factory.errors import UsageError
    from factory.sampling.store.backup import back_up
    from factory.steps.status import store_folders

    if action != "backup":
        raise UsageError(f"unknown form: store {action}", do="factory store backup FOLDER --out FILE")
    folders = store_folders(folder)
    if len(folders) != 1:
        found = ", ".join(map(str, folders)) or "no response store"
        raise UsageError(f"{folder} holds {found}", do="name one store")
    count = back_up(folders[0], out)
    say(
        f"{count:,} responses in {out}; to restore, put it as responses.sqlite into an empty folder: --store FOLDER"
    )
