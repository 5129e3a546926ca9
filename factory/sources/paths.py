"""Which files a path, folder or glob stands for."""

from __future__ import annotations

import difflib
import glob
import stat
from collections.abc import Sequence
from pathlib import Path

from factory.errors import UsageError, first_line
from factory.run.parts import DROPPED_NAMES, MANIFEST, part_paths
from factory.sources.formats import NAMES

SUFFIXES = tuple(name + pack for name in NAMES for pack in ("", ".gz", ".zst"))
"""What is taken from a folder. A file that is named outright is read whatever it is called."""


DESCRIPTIONS = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")
"""What `datasets` writes beside its tables."""


def expand(patterns: str | Path | Sequence[str | Path]) -> list[Path]:
    """Files behind the patterns, in order, each once; `hf://datasets/...` is fetched into a file.

    Raises:
        UsageError: a pattern matches nothing; says what is there instead.
    """
    listed = [patterns] if isinstance(patterns, (str, Path)) else list(patterns)
    if not listed:
        raise UsageError("no input given", do="name a file, a folder or a glob")
    return list(dict.fromkeys(path for pattern in listed for path in _expand_one(pattern)))


def refuse_own_input(out: Path, patterns: Sequence[str | Path]) -> None:
    """A step clears the parts of its folder before it writes: they must not be what it is to read.

    Args:
        out: the folder to write.
        patterns: what will be read; what is no path is passed over.

    Raises:
        UsageError: a pattern names parts in `out`.
    """
    try:
        own = out.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links
        raise UsageError(f"cannot write to {str(out)[:200]}: {first_line(error)}") from error
    for pattern in map(str, patterns):
        for path in _resolved(pattern):
            parts = part_paths(path) if path.is_dir() else [path]
            if any(
                part.parent in (own, *(own / name for name in DROPPED_NAMES)) and part.match("part-*.parquet")
                for part in parts
            ):
                raise UsageError(
                    f"{out} holds {pattern}, which writing there would replace",
                    do="choose another --out folder",
                )


def _resolved(pattern: str) -> list[Path]:
    """What a pattern names, links followed; nothing where it cannot be followed, which reading it will say."""
    try:
        found = [pattern] if Path(pattern).exists() else glob.glob(pattern, recursive=True)  # noqa: PTH207
        return [Path(each).resolve() for each in found]
    except (OSError, ValueError, RuntimeError):
        return []


def _expand_one(pattern: str | Path) -> list[Path]:
    if str(pattern).startswith("hf://"):
        from factory.sources.hub import hub_file

        return [hub_file(str(pattern))]
    path = Path(pattern)
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        kind = 0
    except (OSError, ValueError) as error:  # a loop of links, a name that is too long or holds NUL
        raise UsageError(f"cannot read {str(pattern)[:200]}: {first_line(error)}") from error
    if stat.S_ISDIR(kind):
        return _in_folder(path)
    if stat.S_ISREG(kind):
        return [path]
    if kind:
        raise UsageError(f"{path} is neither a file nor a folder", do="save its rows to a file first")
    if glob.has_magic(str(pattern)):
        return _globbed(str(pattern))
    raise UsageError(f"{path} does not exist", do=_nearby(path))


def _in_folder(folder: Path) -> list[Path]:
    parts = part_paths(folder)
    if parts:
        return parts
    files = _data_files(folder)
    if not files:
        splits = [each for each in sorted(folder.iterdir()) if each.is_dir() and _data_files(each)]
        if splits:
            raise UsageError(
                f"{folder} holds folders of data and no data file",
                do=f"name one: {', '.join(map(str, splits))}",
            )
        inside = sorted(entry.name for entry in folder.iterdir())[:10]
        raise UsageError(
            f"{folder} holds no data file (Parquet, Arrow, JSON, CSV)",
            do=f"it holds {', '.join(inside)}" if inside else "it is empty",
        )
    return files


def _data_files(folder: Path) -> list[Path]:
    files = sorted(
        entry
        for entry in folder.iterdir()
        if entry.name.endswith(SUFFIXES) and entry.is_file() and not entry.name.startswith((".", "_"))
    )
    # Beside tables and lines, JSON is a description.
    others = [path for path in files if path.suffix != ".json"]
    return others or [path for path in files if path.name not in DESCRIPTIONS]


def _globbed(pattern: str) -> list[Path]:
    matches = [Path(found) for found in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
    asked = [part for part in Path(pattern).parts if _set_apart(part)]
    files: list[Path] = []
    for match in matches:
        if match.is_dir():
            files += _in_folder(match) if part_paths(match) else []
        elif match.name != MANIFEST and (asked or not any(map(_set_apart, match.parts))):
            files.append(match)
    if not files:
        raise UsageError(f"{pattern} matches no file")
    return files


def _set_apart(part: str) -> bool:
    """Folders with rows that a step dropped, and with its side tables: read only when they are named."""
    return part == "dropped" or (part.startswith("__") and part.strip("_") != "")


def _nearby(path: Path) -> str:
    if not path.parent.is_dir():
        return f"nor does its folder {path.parent}"
    names = sorted(entry.name for entry in path.parent.iterdir() if not entry.name.startswith("."))
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(close)}?"
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"{path.parent} holds {shown}" if names else f"{path.parent} is empty"
