"""Which benchmarks a name stands for, and reading their indexes, or building one from a file on the spot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from factory.config.base import did_you_mean
from factory.decontamination.index import SUFFIX, Benchmark, BenchmarkIndex, read, save
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.decontamination.build import Document
    from factory.decontamination.embedding import Encoder

PAPER = ("aime24", "math500", "gpqa_diamond")
"""What the paper evaluates on (docs/paper.md, Evaluation protocol): AIME 24, MATH-500, GPQA Diamond."""
SETS = {"paper": PAPER}


def shipped() -> dict[str, Path]:
    """Name to file of the indexes that come with the package."""
    folder = Path(str(resources.files("factory.decontamination"))) / "indexes"
    return {path.name.removesuffix(SUFFIX): path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def load_index(names_or_paths: Sequence[str | Path], encoder: Encoder | None = None) -> BenchmarkIndex:
    """Load the benchmarks that are named.

    Args:
        names_or_paths: see `files_of`.
        encoder: the model that data files are encoded with.

    Raises:
        UsageError: a name is unknown or a file cannot be read.
    """
    from factory.decontamination.build import build, read_stock

    found: dict[str, Benchmark] = {}
    for name in map(str, names_or_paths):
        paths = list(files_of(name).values())
        texts = [path for path in paths if not path.name.endswith(SUFFIX)]
        loaded = [read(path) for path in paths if path not in texts]
        loaded += build(_documents(texts, {}, encoder), read_stock()) if texts else []
        for benchmark in loaded:
            found.setdefault(benchmark.name, benchmark)
    return BenchmarkIndex(tuple(found.values()))


def files_of(name: str) -> dict[str, Path]:
    """The files that a name stands for, by their names in a step's key.

    Args:
        name: a shipped index (`AIME-2024` and `MATH-500` are read as `aime24` and `math500`), `all`, `paper`, an index file, a
            folder of indexes, or data files with a column `problem`, of which an index is made in memory.

    Raises:
        UsageError: there is no such index and no such file, or this installation lacks a part of a set.
    """
    from factory.sources.paths import expand

    known, path = shipped(), Path(name)
    wanted = shipped_as(name)
    if missing := [part for part in wanted if part not in known]:
        raise UsageError(
            f"the set {name} needs the index {', '.join(missing)}, which this installation lacks"
        )
    if wanted or name == "all":
        return {part: known[part] for part in wanted}
    if path.is_dir() and (inside := sorted(path.glob(f"*{SUFFIX}"))):
        return {str(each): each for each in inside}
    if path.exists() or any(c in name for c in "*?["):
        return {str(each): each for each in expand([name])}
    raise UsageError(
        f"no benchmark {name}: neither a shipped index nor a file",
        do=did_you_mean(name, [*SETS, "all", *known]) or "factory benchmarks lists the shipped ones",
    )


def shipped_as(name: str) -> tuple[str, ...]:
    """The shipped indexes that a name stands for; none for a file's."""
    known = shipped()
    if name == "all" or name in SETS or name in known:
        return tuple(known) if name == "all" else SETS.get(name, (name,))
    same = [each for each in known if _plain(each) in (_plain(name), f"{_plain(name)}test")]
    return () if Path(name).exists() else tuple(same[:1])


def _plain(name: str) -> str:
    """A benchmark's name without what people write in several ways: case, signs, and the century of a year."""
    return re.sub(r"20(?=2\d(?!\d))", "", re.sub(r"[\W_]", "", name.lower()))


def build_indexes(
    patterns: Sequence[str], out: Path, facts: Path | None = None, encoder: Encoder | None = None
) -> list[Benchmark]:
    """Build and write the indexes of data files (`factory benchmarks build`).

    Args:
        patterns: files, folders and globs; a file's stem names its benchmark.
        out: folder for `NAME.index.npz`, and `stock.npz` with the n-grams that many problems share.
        facts: JSON of `{benchmark: {licence, revision, source, ...}}`.
        encoder: the model whose vectors the indexes hold; none without one.

    Raises:
        UsageError: a file cannot be read or has no column `problem`.
    """
    from factory.atomic import read_json
    from factory.decontamination.build import build, read_stock, write_stock

    documents = _documents(patterns, read_json(facts) if facts else {}, encoder)
    write_stock(documents, out)
    benchmarks = build(documents, read_stock())
    for benchmark in benchmarks:
        save(benchmark, out)
    return benchmarks


def _documents(
    patterns: Sequence[str | Path], facts: dict[str, Any], encoder: Encoder | None
) -> list[Document]:
    from factory.atomic import file_digest
    from factory.decontamination.build import read_document
    from factory.sources.files import read_file, require_columns
    from factory.sources.paths import expand

    documents = []
    for path in expand(list(patterns)):
        rows = read_file(path).rows
        require_columns(rows, ["problem"], path)
        if rows.is_empty() or rows["problem"].dtype.is_nested() or rows["problem"].dtype == pl.Binary:
            what = "no problem" if rows.is_empty() else f"{rows['problem'].dtype} as problems, no texts"
            raise UsageError(f"{path} holds {what}", do="name a file with a column problem of texts")
        name = benchmark_name(path)
        known = {"sha256": file_digest(path), "file": path.name} | facts.get(name, {})
        documents.append(read_document(name, rows, known, encoder))
    return documents


def benchmark_name(path: Path) -> str:
    """A data file's benchmark: the file's name up to the first point."""
    return path.name.split(".")[0]


def index_digests(names_or_paths: Sequence[str | Path]) -> dict[str, str]:
    """What the benchmarks of a list are, for a step's key: the digest of every index or data file.

    Raises:
        UsageError: see `files_of`.
    """
    from factory.atomic import file_digest

    return {
        f"benchmark:{part}": file_digest(path)
        for name in map(str, names_or_paths)
        for part, path in files_of(name).items()
    }
