"""A step's folder while the step runs: what may be replaced there, the scratch directory, files moved into place.

A step deletes and overwrites only what a manifest of the same step names, or the notes of an attempt that was killed.
Anything else in the folder stops it before it does any work. Hidden files are never touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from factory.atomic import disk_error, read_json, write_json
from factory.errors import UsageError
from factory.run.parts import DROPPED_FOLDER, MANIFEST, SIDE_FOLDER

SCRATCH = ".scratch-"
OWNED = "owned.json"
"""In the scratch directory: files in the step's folder that the step wrote, but that no manifest names now."""
_FORMER_SCRATCH = (
    ".parts-*",
    ".dedup-*",
    ".votes-*",
    ".fates-*",
    ".shards-*",
    ".read",
    ".sort.tmp",
    ".train.tmp",
)
_FORMER_SIDE = (
    "gold_audit.parquet", "hits.parquet", "near.parquet", "keys.parquet", "pairs.parquet", "known.json",
    "judged.parquet", "lint.json",
)  # fmt: skip
"""What former versions left beside the parts without naming it in the manifest."""
NOTES = ("_job.json", "_estimate.json", "decisions.jsonl", "report.html", "store")
"""What outlives the step's output: never replaced."""


class OutFolder:
    """The folder that a step writes."""

    def __init__(self, out: Path, step: str, key: str) -> None:
        """`key` names the scratch directory: an attempt with the same key resumes there."""
        self.out, self.step = out, step
        self.scratch = out.resolve() / f"{SCRATCH}{key[:16]}"

    def owned(self) -> set[str]:
        """Files in the folder that this step wrote: those of its manifest, and of attempts that were killed.

        Raises:
            UsageError: the folder holds another step's output.
        """
        names: set[str] = set()
        if (self.out / MANIFEST).exists():
            manifest = read_json(self.out / MANIFEST)
            if not isinstance(manifest, dict) or manifest.get("step") != self.step:
                other = manifest.get("step", "unknown") if isinstance(manifest, dict) else "unknown"
                raise UsageError(
                    f"{self.out} holds the output of step {other}", do="choose another --out folder"
                )
            names |= {*manifest["files"], MANIFEST, *_FORMER_SIDE}
        for scratch in self.out.glob(f"{SCRATCH}*"):
            if (scratch / OWNED).exists():
                names |= set(read_json(scratch / OWNED))
        return names

    def check(self) -> set[str]:
        """The files that the step may replace.

        Raises:
            UsageError: the folder holds anything else, is a file, or cannot be read.
        """
        try:
            owned = self.owned()
            for path in sorted(self.out.iterdir()) if self.out.exists() else []:
                self._check(path, owned)
        except OSError as error:
            raise disk_error(error, self.out) from error
        return owned

    def _check(self, path: Path, owned: set[str]) -> None:
        name = str(path.relative_to(self.out))
        if path.name.startswith(".") or name in owned or path.name in NOTES:
            return
        inside = any(each.startswith(f"{name}/") for each in owned)
        if path.is_dir() and not path.is_symlink() and (inside or name in (DROPPED_FOLDER, SIDE_FOLDER)):
            for each in sorted(path.iterdir()):
                self._check(each, owned)
        elif not (path.is_dir() and path.name.startswith("__")):
            raise UsageError(
                f"{path} was not written by step {self.step}, which would write to {self.out}",
                do="choose an empty --out folder, or move that away",
            )

    def open(self) -> Path:
        """Make the scratch directory and return it, absolute; nothing else in the folder changes yet.

        Raises:
            UsageError: the folder cannot be written.
        """
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, self.out) from error
        return self.scratch

    def own(self, names: Iterable[str]) -> set[str]:
        """Note that these files are, or will be, the step's."""
        owned = self.owned() | set(names)
        write_json(self.scratch / OWNED, sorted(owned - {MANIFEST}))
        return owned

    def replace(self, names: Iterable[str]) -> None:
        """Put the files of the scratch directory in place of what the step had there. The manifest comes after."""
        new = set(names)
        old = self.own(new)
        try:
            (self.out / MANIFEST).unlink(missing_ok=True)
            for name in sorted(old - new):
                (self.out / name).unlink(missing_ok=True)
            for name in sorted(new):
                source = self.scratch / "out" / name
                if source.exists():
                    (self.out / name).parent.mkdir(parents=True, exist_ok=True)
                    source.replace(self.out / name)
            for inside in {self.out / Path(each).parent for each in old} - {self.out}:
                if inside.is_dir() and not any(inside.iterdir()):
                    inside.rmdir()
        except OSError as error:
            raise disk_error(error, self.out) from error

    def clean(self) -> None:
        """Remove the scratch directories of this and of earlier attempts."""
        for pattern in (f"{SCRATCH}*", *_FORMER_SCRATCH):
            for path in self.out.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)
        for path in (*self.out.glob(".*.tmp"), *self.out.glob("__*/.*.tmp")):
            path.unlink(missing_ok=True)

    def give_up(self) -> None:
        """Remove this attempt's scratch directory, unless files of it lie in the folder already."""
        if not (self.scratch / OWNED).exists():
            shutil.rmtree(self.scratch, ignore_errors=True)
            if self.out.is_dir() and not any(self.out.iterdir()):
                self.out.rmdir()
