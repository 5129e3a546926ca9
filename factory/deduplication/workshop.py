"""The files of a deduplication that does not fit in memory, and the work on one of them.

The functions here are work for an engine: each reads files and writes one file whole, the same bytes however often.

    rows-N.parquet       part N: id, hashes, n-grams and traits of every row (written last of its part)
    keys-N.npy           part N: bucket of every row in every band, shape (bands, rows)
    alone.npy            rows that may have near-duplicates
    band-N.npy           pairs of rows that share a bucket in band N
    TASK-rows.npy        the rows whose n-grams a task needs, ascending
    TASK-grams-N.npy     their n-gram sets that lie in part N
    TASK-sizes-N.npy     and how large each is
    TASK-pairs.npy       pairs to verify, block by block
    TASK-found-M-N.npy   similarities of the pairs from N to M
    fate-N.parquet       part N: cluster of every row; survivor and similarity of the rows that go
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.atomic import atomic_path
from factory.config.deduplication import DeduplicationSection
from factory.deduplication.bands import bucket_codes
from factory.deduplication.clusters import traits
from factory.deduplication.deduplicate import AGAINST, PARTS, RESPONSE_FIELDS, column, row_ids, text_of
from factory.deduplication.evidence import CONFLICTS, outcome
from factory.deduplication.signatures import sign
from factory.deduplication.similarity import GramSets, gram_sets, jaccard
from factory.run.parts import count_rows, iter_part
from factory.run.writer import Writer
from factory.text import compiled
from factory.text.hashing import ranges
from factory.text.tokens import Places

_USED = ("response_id", "id", "verdict", "answer", "source")

_HEADER = threading.Lock()


def read_array(path: Path, *, mapped: bool = False) -> Any:
    """An array of a `.npy` file, in memory or mapped.

    numpy parses its header with `ast`, which CPython 3.11 does not do in two threads at once ("AST constructor recursion depth
    mismatch"): one at a time.
    """
    with _HEADER:
        return np.load(path, mmap_mode="r" if mapped else None)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of rows: its number, its first row among all rows, how many it has, and whether it is compared against."""

    number: int
    path: Path
    first: int
    rows: int
    against: bool


@dataclass(frozen=True, slots=True)
class Task:
    """What the functions below have in common: the folder, and how rows are read."""

    folder: Path
    settings: DeduplicationSection
    field: str
    within: str | None
    size: int = 0
    """Bytes of all files: whether kernels pay (`factory.text.compiled`)."""

    def at(self, name: str, number: int | None = None) -> Path:
        """The file of this name, and number if there are several."""
        suffix = ".parquet" if name in ("rows", "fate") else ".npy"
        return self.folder / f"{name}{'' if number is None else f'-{number:05d}'}{suffix}"


def parts_of(paths: Sequence[Path], against: Sequence[Path] = ()) -> list[Part]:
    """The files with their places among all rows."""
    parts, first = [], 0
    for number, path in enumerate([*paths, *against]):
        rows = count_rows([path])
        parts.append(Part(number, path.resolve(), first, rows, number >= len(paths)))
        first += rows
    return parts


def save(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, array)


def _texts(task: Task, part: Part) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    columns = [task.field, *RESPONSE_FIELDS, *PARTS, *_USED, *([task.within] if task.within else [])]
    for rows in iter_part(part.path, columns=columns):
        yield rows, text_of(rows, task.field)


def sign_part(task: Task, part: Part) -> int:
    """Write what is kept of every row of a part; returns their number."""
    compiled.prepare(task.size)
    keys, tables, first = [], [], 0
    for rows, texts in _texts(task, part):
        signed = sign(texts, task.settings, column(rows, task.within))
        keys.append(signed.keys)
        kept = {name: getattr(signed, name) for name in ("exact", "guard", "counts", "draw")}
        ids = row_ids(rows, (0 if part.against else part.first) + first)
        table = pl.DataFrame({"id": AGAINST + ids if part.against else ids, **kept})
        tables.append(table.hstack(traits(rows, texts, task.settings.sources)))
        first += rows.height
    save(task.at("keys", part.number), np.concatenate(keys, axis=1))
    with atomic_path(task.at("rows", part.number)) as temporary:
        pl.concat(tables).write_parquet(temporary)
    return part.rows


def find_in_band(task: Task, parts: Sequence[Part], band: int) -> Path:
    """Write the pairs of rows that share a bucket in a band."""
    alone = read_array(task.at("alone"))
    keys = [read_array(task.at("keys", part.number), mapped=True)[band] for part in parts]
    save(task.at("band", band), bucket_codes(np.concatenate(keys)[alone], alone))
    return task.at("band", band)


def read_sets(task: Task, name: str, part: Part) -> int:
    """Write the n-gram sets of the rows of a part that are wanted; returns their number."""
    wanted = read_array(task.at(f"{name}-rows"))
    low, high = np.searchsorted(wanted, [part.first, part.first + part.rows])
    places = wanted[low:high] - part.first
    grams, sizes, first = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)], 0
    for rows, texts in _texts(task, part) if places.size else ():
        here = places[(places >= first) & (places < first + rows.height)] - first
        sets = gram_sets(texts.gather(here), task.settings.ngram)
        grams.append(sets.grams)
        sizes.append(np.diff(sets.offsets))
        first += rows.height
    save(task.at(f"{name}-grams", part.number), np.concatenate(grams))
    save(task.at(f"{name}-sizes", part.number), np.concatenate(sizes))
    return int(places.size)


class StoredSets:
    """Reads n-gram sets that `read_sets` has written; a `similarity.Reader`."""

    def __init__(self, task: Task, name: str, parts: Sequence[Part]) -> None:
        """`name`: the task's; `parts`: all of them."""
        self._wanted = read_array(task.at(f"{name}-rows"), mapped=True)
        self._files = [
            (task.at(f"{name}-grams", part.number), task.at(f"{name}-sizes", part.number)) for part in parts
        ]
        self._ends = np.array([part.first + part.rows for part in parts])

    def __call__(self, rows: Places) -> GramSets:
        """The sets of some rows, ascending."""
        found, lengths = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        owner = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(owner).tolist():
            begin = int(self._ends[number - 1]) if number else 0
            first = int(np.searchsorted(self._wanted, begin))
            places = np.searchsorted(self._wanted, rows[owner == number]) - first
            grams = read_array(self._files[number][0], mapped=True)
            sizes = read_array(self._files[number][1])
            starts = (np.cumsum(sizes) - sizes)[places]
            found.append(np.asarray(grams)[ranges(starts, sizes[places])])
            lengths.append(sizes[places])
        return GramSets(np.concatenate(found), np.concatenate([[0], np.cumsum(np.concatenate(lengths))]))


def verify_block(task: Task, name: str, parts: Sequence[Part], block: tuple[int, int]) -> Path:
    """Write the similarities of the pairs of a block: from its first to its last, exclusive."""
    pairs = np.array(read_array(task.at(f"{name}-pairs"), mapped=True)[block[0] : block[1]])
    save(found_at(task, name, block), jaccard(pairs, StoredSets(task, name, parts)))
    return found_at(task, name, block)


def found_at(task: Task, name: str, block: tuple[int, int]) -> Path:
    """Where the similarities of a block are."""
    return task.at(f"{name}-found-{block[1]}", block[0])


def write_part(task: Task, parts: Sequence[Part], step: str, path: Path, writer: Writer) -> dict[str, Any]:
    """Write the kept and the dropped rows of a part."""
    assert writer.number is not None
    part = parts[writer.number]
    fate, first = pl.read_parquet(task.at("fate", part.number)), 0
    torn = [pl.DataFrame(schema=CONFLICTS)]
    for rows in iter_part(path):
        here = fate.slice(first, rows.height)
        kept, dropped, conflicts = outcome(rows, row_ids(rows, part.first + first), here, step)
        writer.keep(kept)
        if dropped.height:
            writer.drop(dropped)
        torn.append(conflicts)
        first += rows.height
    writer.aside("conflicts", pl.concat(torn))
    return {}
