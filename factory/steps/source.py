"""What a step over rows reads: a step's folder, or files of any origin, brought to Parquet parts of one schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.atomic import file_digest, read_json
from factory.engines.engine import Engine
from factory.errors import FactoryError
from factory.run.parts import DROPPED_NAMES, MANIFEST, reading, require_parts
from factory.sources.files import no_drops
from factory.sources.paths import expand, refuse_own_input
from factory.sources.stage import Staged, stage

Rows = Path | Sequence[str]
"""A step's folder, or patterns: files, folders and globs."""


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to read. `inputs` are for the step's key; `folder` is the step's folder that they are, if they are one."""

    rows: Rows
    inputs: dict[str, Path | str]
    folder: Path | None

    @property
    def name(self) -> str:
        """What the rows are to the user."""
        return str(self.rows) if isinstance(self.rows, Path) else ", ".join(self.rows)

    def parts(self, scratch: Path, engine: Engine) -> Staged:
        """The rows as parts; files that are no parts yet are written to `scratch`.

        Raises:
            UsageError: there are none, or a file cannot be read at all.
        """
        if self.folder is not None:
            return Staged(require_parts(self.folder), no_drops())
        assert not isinstance(self.rows, Path)
        return stage(list(self.rows), scratch / "read", engine)


def open_source(rows: Rows, out: Path, *, also: Sequence[str] = ()) -> Source:
    """Look at what is to be read.

    Args:
        rows: a step's folder (any folder, as a `Path`), or patterns.
        out: where the step writes.
        also: further patterns that are read.

    Raises:
        UsageError: a pattern matches nothing, or `out` is among the input.
        FactoryError: a file lies in a step's folder and is not what the step wrote.
    """
    if isinstance(rows, Path):
        require_parts(rows)
        return Source(rows, {"rows": rows}, rows)
    refuse_own_input(out, [*rows, *also])
    files = expand(rows)
    if len(rows) == 1 and (Path(rows[0]) / MANIFEST).exists() and not list(Path(rows[0]).glob("train-*")):
        return Source(rows, {"rows": Path(rows[0])}, Path(rows[0]))
    return Source(rows, {f"rows:{n}": each for n, each in enumerate(_digests(files))}, None)


def _digests(files: Sequence[Path]) -> list[str]:
    """Every file's digest; parts of a step's folder must be those that its manifest names."""
    manifests = {folder: _files(folder) for folder in {path.parent for path in files}}
    found = []
    for path in files:
        with reading(path):
            found.append(file_digest(path))
        files_of = manifests[path.parent]
        if files_of is None or path.suffix != ".parquet":
            continue
        expected = files_of.get(path.name) or files_of.get(f"{path.parent.name}/{path.name}")
        if expected is None or expected["sha256"] != found[-1]:
            what = "was not written by the step" if expected is None else "is corrupt (checksum differs)"
            raise FactoryError(f"{path} {what}", do=f"delete {path.parent} and run its step again")
    return found


def _files(folder: Path) -> dict[str, dict[str, str]] | None:
    """What a manifest says of the files in a folder; None where there is no manifest."""
    at = folder.parent if folder.name in DROPPED_NAMES else folder
    if not (at / MANIFEST).exists():
        return None
    manifest = read_json(at / MANIFEST)
    return manifest.get("files", {}) if isinstance(manifest, dict) else {}
