"""Which benchmarks a name stands for, and reading their indexes, or building one from a file on the spot."""

from __future__ import annotations

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

PAPER = ("aime24", "math500", "gpqa_diamond")
"""What the paper evaluates on (docs/paper.md, Evaluation protocol): AIME 24, MATH-500, GPQA Diamond."""
SETS = {"paper": PAPER}


def shipped() -> dict[str, Path]:
    """Name to file of the indexes that come with the package."""
    folder = Path(str(resources.files("factory.decontamination"))) / "indexes"
    return {path.name.removesuffix(SUFFIX): path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def load_index(names_or_paths: Sequence[str | Path]) -> BenchmarkIndex:
    """Load the benchmarks that are named.

    Args:
        names_or_paths: names of shipped indexes, `all`, `paper`, index files or folders of them, or data files with a
            column `problem`, of which an index is made in memory.

    Raises:
        UsageError: a name is unknown or a file cannot be read.
    """
    known = shipped()
    found: dict[str, Benchmark] = {}
    for name in map(str, names_or_paths):
        for benchmark in _resolve(name, known):
            found.setdefault(benchmark.name, benchmark)
    return BenchmarkIndex(tuple(found.values()))


def _resolve(name: str, known: dict[str, Path]) -> list[Benchmark]:
    if name == "all":
        return [read(path) for path in known.values()]
    if name in SETS:
        missing = [part for part in SETS[name] if part not in known]
        if missing:
            raise UsageError(
                f"the set {name} needs the index {', '.join(missing)}, which this installation lacks"
            )
        return [read(known[part]) for part in SETS[name]]
    if name in known:
        return [read(known[name])]
    path = Path(name)
    if path.name.endswith(SUFFIX) and path.is_file():
        return [read(path)]
    if path.is_dir() and (inside := sorted(path.glob(f"*{SUFFIX}"))):
        return [read(each) for each in inside]
    if path.exists() or any(c in name for c in "*?["):
        return _from_data(name)
    raise _unknown(name, known)


def _unknown(name: str, known: dict[str, Path]) -> UsageError:
    near = did_you_mean(name, [*SETS, "all", *known])
    return UsageError(
        f"no benchmark {name}: neither a shipped index nor a file",
        do=near or "factory benchmarks lists the shipped ones",
    )


def _from_data(pattern: str) -> list[Benchmark]:
    from factory.decontamination.build import build, read_stock

    return build(_documents([pattern], {}), read_stock())


def build_indexes(patterns: Sequence[str], out: Path, facts: Path | None = None) -> list[Benchmark]:
    """Build and write the indexes of data files (`factory benchmarks build`).

    Args:
        patterns: files, folders and globs; a file's stem names its benchmark.
        out: folder for `NAME.index.npz`, and `stock.npz` with the n-grams that many problems share.
        facts: JSON of `{benchmark: {licence, revision, source, ...}}`.

    Raises:
        UsageError: a file cannot be read or has no column `problem`.
    """
    from factory.atomic import read_json
    from factory.decontamination.build import build, read_stock, write_stock

    documents = _documents(patterns, read_json(facts) if facts else {})
    write_stock(documents, out)
    benchmarks = build(documents, read_stock())
    for benchmark in benchmarks:
        save(benchmark, out)
    return benchmarks


def _documents(patterns: Sequence[str], facts: dict[str, Any]) -> list[Document]:
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
        documents.append(
            read_document(name, rows, {"sha256": file_digest(path), "file": path.name} | facts.get(name, {}))
        )
    return documents


def benchmark_name(path: Path) -> str:
    """A data file's benchmark: the file's name up to the first point."""
    return path.name.split(".")[0]


def index_digests(names_or_paths: Sequence[str | Path]) -> dict[str, str]:
    """What the benchmarks of a list are, for a step's key: the digest of every index or data file.

    Raises:
        UsageError: a name is neither a shipped index nor a file.
    """
    from factory.atomic import file_digest
    from factory.sources.paths import expand

    known = shipped()
    digests = {}
    for name in map(str, names_or_paths):
        chosen = list(known) if name == "all" else list(SETS.get(name, ()))
        for part in chosen:
            if part in known:
                digests[f"benchmark:{part}"] = file_digest(known[part])
        if name in known:
            digests[f"benchmark:{name}"] = file_digest(known[name])
        elif not chosen and Path(name).is_dir() and (inside := sorted(Path(name).glob(f"*{SUFFIX}"))):
            digests |= {f"benchmark:{path}": file_digest(path) for path in inside}
        elif not chosen and name != "all" and (Path(name).exists() or any(c in name for c in "*?[")):
            digests |= {f"benchmark:{path}": file_digest(path) for path in expand([name])}
        elif not chosen and name != "all":
            raise _unknown(name, known)
    return digests
