"""Files in the system's temporary folder: each names its process, and the next start removes those of dead processes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path


def temporary(kind: str, tail: str = "", *, keep_seconds: float = 0.0) -> Path:
    """A path `factory-KIND-PID...` for this process; what dead processes left of the kind is removed first.

    `keep_seconds`: how long a file stays after its process, for a user who was told to read it.
    """
    folder = Path(tempfile.gettempdir())
    for path in folder.glob(f"factory-{kind}-*"):
        if _is_left(path, path.name.removeprefix(f"factory-{kind}-"), keep_seconds):
            _remove(path)
    return folder / f"factory-{kind}-{os.getpid()}{tail}"


def own_torchelastic() -> None:
    """Note in the log folder of `torchrun`, which it never removes, that it is ours; remove ours of dead launchers."""
    temporary_folder = Path(tempfile.gettempdir())
    for mark in temporary_folder.glob("torchelastic_*/factory-*"):
        if _is_left(mark, mark.name.removeprefix("factory-")):
            _remove(mark.parent)
    for folder in Path(os.environ.get("TORCHELASTIC_ERROR_FILE", "")).parents:
        if folder.name.startswith("torchelastic_") and folder.parent == temporary_folder:
            (folder / f"factory-{os.getppid()}").touch()


def _is_left(path: Path, number: str, keep_seconds: float = 0.0) -> bool:
    """Whether a file of this user, named by a process, outlived it by so long."""
    number = number.split("-")[0].split(".")[0]
    try:
        state = path.lstat()
        if not number.isdigit() or state.st_uid != os.getuid() or time.time() - state.st_mtime < keep_seconds:
            return False
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
