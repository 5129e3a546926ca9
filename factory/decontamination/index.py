"""The benchmark index: what is known of every benchmark problem, hashes only, and how it lies on disk."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.atomic import atomic_path
from factory.decontamination.features import SALT
from factory.decontamination.figures import ENGLISH
from factory.errors import UsageError, first_line
from factory.text.hashing import U64
from factory.text.tokens import Places

FORMAT = 4
SUFFIX = ".index.npz"


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: its facts and the hashes of its problems.

    Arrays with one row a problem: `letters`, `symbols`, `template`, `bag` (0 unless the problem has options) are whole
    hashes; `letter_bytes` and `tokens` are lengths.
    `anchors`: for problems and stems that may stand inside another text, one row each (`ANCHOR`).
    `words`, `numbers`: n-grams of all problems one after another, `*_offsets` the problems in them, `*_counts` how many
    different ones each problem has in all (an index keeps at most `build.KEPT` of them), `*_df` in how many problems an
    n-gram occurs, 255 for more.
    `figures`, `ordered`, `answers`: its numerals, those in digits in their order, and the answer, short hashes, 0 for none;
    `language`, `content`, `spots` and `extent`: what texts with the same numbers are compared by (`figures.Words`).
    `numerals`: 16-bit hashes of the different numerals of every problem. `vectors`: of the English problems, one after another
    (`embedding.codes`); nothing in an index that was built without a model.
    """

    name: str
    facts: dict[str, Any]
    ids: list[str]
    letters: U64
    letter_bytes: Places
    tokens: Places
    symbols: U64
    template: U64
    bag: U64
    anchors: npt.NDArray[np.void]
    words: npt.NDArray[np.uint32]
    words_offsets: Places
    words_counts: Places
    words_df: npt.NDArray[np.uint8]
    numbers: npt.NDArray[np.uint32]
    numbers_offsets: Places
    numbers_df: npt.NDArray[np.uint8]
    figures: npt.NDArray[np.uint32]
    ordered: npt.NDArray[np.uint32]
    answers: npt.NDArray[np.uint32]
    language: npt.NDArray[np.uint8]
    content: npt.NDArray[np.uint16]
    content_offsets: Places
    spots: npt.NDArray[np.uint8]
    spots_offsets: Places
    extent: Places
    numerals: npt.NDArray[np.uint16]
    numerals_offsets: Places
    vectors: npt.NDArray[np.uint8]


LONGEST = 2**16
"""Bytes of letters beyond which `letter_bytes` does not tell how many."""
ANCHOR_TOKENS = 3
ANCHOR = np.dtype([("anchor", "u8"), ("whole", "u8"), ("length", "u2"), ("shift", "u2"), ("problem", "u4")])
"""A sequence of symbols that is looked for inside longer texts: hash of its rarest run of `ANCHOR_TOKENS` tokens, hash
and number of all its tokens, where in it the run begins, and the problem that it belongs to."""

MOST_GRAMS = 255
"""N-grams that a problem may have: kernels count them in a byte. `build.KEPT` is less."""
ARRAYS = tuple(field.name for field in fields(Benchmark) if field.name not in ("name", "facts", "ids"))
LENGTHS = ("letter_bytes", "tokens", "words_counts", "extent")
"""Arrays of numbers, as wide as such are while they are worked with; offsets are too."""
A_PROBLEM = (
    "letters", "letter_bytes", "tokens", "symbols", "template", "bag", "words_counts", "figures", "ordered", "answers",
    "language", "extent",
)  # fmt: skip
"""The arrays with one entry a problem."""
TYPES: dict[str, npt.DTypeLike] = {
    **dict.fromkeys(("letters", "symbols", "template", "bag"), np.uint64),
    **dict.fromkeys(("words_df", "numbers_df", "language", "spots", "vectors"), np.uint8),
    **dict.fromkeys(("content", "numerals"), np.uint16),
    "anchors": ANCHOR,
}
"""How arrays lie in a file; those that are not here are numbers of 32 bits."""
UNREADABLE = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, BadZipFile, zlib.error)
"""What reading a file raises that is no index, is cut, or was changed."""


@dataclass(frozen=True, eq=False)
class BenchmarkIndex:
    """Benchmarks to check against. Two indexes are equal only if they are the same one."""

    benchmarks: tuple[Benchmark, ...]

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Name, rows, revision, licence and digest of every benchmark, for the certificate."""
        return [b.facts for b in self.benchmarks]


def save(benchmark: Benchmark, folder: Path) -> Path:
    """Write `NAME.index.npz`: compressed arrays and the facts as JSON. The same benchmark gives the same bytes."""
    path = folder / f"{benchmark.name}{SUFFIX}"
    facts = json.dumps({**benchmark.facts, "format": FORMAT, "ids": benchmark.ids}, sort_keys=True)
    arrays = {name: _small(getattr(benchmark, name)) for name in ARRAYS}
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, facts=np.frombuffer(facts.encode(), dtype=np.uint8), **arrays)  # type: ignore[arg-type]
    return path


def read(path: Path) -> Benchmark:
    """Read what `save` wrote.

    Raises:
        UsageError: the file is no index, or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(bytes(stored["facts"]))
            if facts.pop("format") != FORMAT:
                raise UsageError(
                    f"{path} is an index of another version", do="build it again: factory benchmarks build"
                )
            ids, name = facts.pop("ids"), str(facts["name"])
            arrays = {each: stored[each] for each in ARRAYS}
    except UNREADABLE as error:
        raise UsageError(
            f"{path} is no benchmark index ({first_line(error)})", do="build it again"
        ) from error
    if not _whole(ids, arrays):
        raise UsageError(
            f"{path} is no benchmark index (its arrays do not fit together)", do="build it again"
        )
    wide = {
        name: a.astype(np.int64) for name, a in arrays.items() if name in LENGTHS or name.endswith("_offsets")
    }
    return Benchmark(name=name, ids=ids, facts=facts, **(arrays | wide))


def _whole(ids: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Whether types and lengths are those that `save` writes, and no place points beyond its array."""
    if not isinstance(ids, list) or any(array.ndim != 1 for array in arrays.values()):
        return False
    kinds = all(array.dtype == TYPES.get(name, np.uint32) for name, array in arrays.items())
    rows = all(len(arrays[name]) == len(ids) for name in A_PROBLEM)
    grams = all(
        len(arrays[f"{kind}_offsets"]) == len(ids) + 1
        and arrays[f"{kind}_offsets"][0] == 0
        and arrays[f"{kind}_offsets"][-1] == len(arrays[kind])
        and _between(np.diff(arrays[f"{kind}_offsets"].astype(np.int64)), 0, most)
        for kind, most in (
            ("words", MOST_GRAMS),
            ("numbers", MOST_GRAMS),
            ("content", 2**16),
            ("numerals", 2**16),
            ("spots", 2**32),
        )
    )
    rows = rows and all(len(arrays[f"{kind}_df"]) == len(arrays[kind]) for kind in ("words", "numbers"))
    english = int((arrays["language"] == ENGLISH).sum())
    size = arrays["vectors"].size
    vectors = size == 0 or (english > 0 and size % english == 0)
    return kinds and rows and grams and vectors and bool((arrays["anchors"]["problem"] < len(ids)).all())


def _between(values: npt.NDArray[Any], least: int, most: int) -> bool:
    return bool(((values >= least) & (values <= most)).all())


def problem_ids(rows: pl.DataFrame) -> list[str]:
    """Ids of a benchmark's problems: the column `id`, or their numbers from 1 on."""
    if "id" in rows.columns:
        return [str(i) for i in rows["id"]]
    return [str(i + 1) for i in range(rows.height)]


def read_facts(path: Path) -> dict[str, Any]:
    """Only the facts of an index."""
    with np.load(path, allow_pickle=False) as stored:
        facts: dict[str, Any] = json.loads(bytes(stored["facts"]))
    return facts


def salt() -> str:
    """The salt's short name, for the certificate."""
    return f"{int(SALT) & 0xFFFFFFFF:08x}"


def _small(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.uint32) if array.dtype == np.int64 else array
