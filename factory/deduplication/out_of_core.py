"""Deduplicate files of any size: what is held in memory is some tens of bytes a row, the rest lies in the workshop.

1. sign: every part is read once; keys of the LSH bands go to disk.
2. bands: one band at a time is sorted, over all parts; rows that meet are candidates.
3. pairs: the n-grams of the candidates' rows are read again, and every pair is verified exactly.
4. clusters: components, survivors, and what becomes of every row.

Each is a map over parts, bands or blocks on an engine. What is there already is not done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.atomic import atomic_path
from factory.deduplication import link
from factory.deduplication.bands import Pairs
from factory.deduplication.clusters import preference
from factory.deduplication.link import Linked
from factory.deduplication.signatures import Signed
from factory.deduplication.similarity import GramSets, Similarities, Verify, arrange
from factory.deduplication.workshop import (
    Part,
    StoredSets,
    Task,
    find_in_band,
    found_at,
    read_array,
    read_sets,
    save,
    sign_part,
    verify_block,
)
from factory.engines.engine import Engine
from factory.progress import watch
from factory.text.hashing import U64, distinct
from factory.text.tokens import Places


def load_signed(tables: Sequence[Path]) -> Signed:
    """What `sign_part` has written of all rows, but for the keys; `tables` are its files, or one with all of them."""
    found = pl.scan_parquet(list(tables)).select("exact", "guard", "counts", "draw").collect()
    exact, guard, counts, draw = (found[name].to_numpy() for name in found.columns)
    return Signed(exact, guard, counts, draw, np.zeros((0, 0), np.uint64))


def sign_parts(task: Task, parts: Sequence[Part], engine: Engine, step: str) -> Signed:
    """Read every part once."""
    tables = [task.at("rows", part.number) for part in parts]
    todo = [part for part, table in zip(parts, tables, strict=True) if not table.exists()]
    with watch(f"{step}: signatures", sum(part.rows for part in parts), "rows") as progress:
        progress.there(sum(part.rows for part in parts) - sum(part.rows for part in todo))
        for rows in engine.map(partial(sign_part, task), todo):
            progress.advance(rows)
    return load_signed(tables)


def find_in_bands(
    task: Task, parts: Sequence[Part], alone: Places, engine: Engine, step: str
) -> Iterator[U64]:
    """The pairs of some rows that share a bucket, band by band."""
    save(task.at("alone"), alone)
    bands = range(read_array(task.at("keys", parts[0].number), mapped=True).shape[0])
    todo = [band for band in bands if not task.at("band", band).exists()]
    with watch(f"{step}: candidates", len(bands), "bands") as progress:
        for _ in engine.map(partial(find_in_band, task, parts), todo):
            progress.advance()
    for band in bands:
        yield read_array(task.at("band", band))


def verifier(
    task: Task, name: str, parts: Sequence[Part], counts: npt.NDArray[np.int32], engine: Engine, step: str
) -> Verify:
    """Verify pairs from files. Every `name` is for one call."""

    def verify(pairs: Pairs) -> Similarities:
        order, blocks = arrange(pairs, counts)
        if not blocks:
            return np.zeros(0)
        save(task.at(f"{name}-pairs"), pairs[order])
        want(task, name, parts, distinct(pairs.ravel()), engine)
        todo = [block for block in blocks if not found_at(task, name, block).exists()]
        with watch(f"{step}: pairs compared", len(blocks), "blocks") as progress:
            progress.there(len(blocks) - len(todo))
            for _ in engine.map(partial(verify_block, task, name, parts), todo):
                progress.advance()
        result = np.empty(len(pairs))
        result[order] = np.concatenate([read_array(found_at(task, name, block)) for block in blocks])
        return result

    return verify


def want(task: Task, name: str, parts: Sequence[Part], rows: Places, engine: Engine) -> None:
    """Have the n-gram sets of some rows (ascending) written."""
    save(task.at(f"{name}-rows"), rows)
    todo = [part for part in parts if not task.at(f"{name}-sizes", part.number).exists()]
    for _ in engine.map(partial(read_sets, task, name), todo):
        pass


def cluster(task: Task, parts: Sequence[Part], engine: Engine, step: str) -> tuple[Signed, Linked]:
    """Phases 1 to 3, clusters, and the self-audit."""
    signed = sign_parts(task, parts, engine, step)

    def find(alone: Places) -> Iterator[U64]:
        return find_in_bands(task, parts, alone, engine, step)

    def read(sample: Places) -> GramSets:
        want(task, "audit", parts, sample, engine)
        return StoredSets(task, "audit", parts)(sample)

    verify = verifier(task, "pair", parts, signed.counts, engine, step)
    return signed, link.cluster(signed, find, verify, read, task.settings)


def cluster_again(keys: Path, pairs: Path, threshold: float) -> tuple[Signed, Linked]:
    """The same from the tables of an earlier run with the same or a lower threshold; nothing is audited."""
    signed = load_signed([keys])
    known = pl.read_parquet(pairs)
    both = known.select("left", "right").to_numpy().astype(np.int64)
    return signed, link.relink(
        link.first_twins(signed.text_keys), both, known["similarity"].to_numpy(), threshold
    )


def decide(
    task: Task,
    parts: Sequence[Part],
    tables: Sequence[Path],
    signed: Signed,
    linked: Linked,
    engine: Engine,
    step: str,
) -> dict[str, Any]:
    """Write what becomes of every row of every part that is not compared against; returns their numbers.

    `tables`: what `sign_part` has written, or one file with all of it.
    """
    own = sum(part.rows for part in parts if not part.against)
    names = ("verified", "answered", "source", "length", "gold")
    found = pl.scan_parquet(list(tables)).select(names).collect()
    published = signed.exact.size - own
    ranks = preference(found.head(own), task.settings.keep) + published
    ranks = np.concatenate([ranks, np.arange(published)])
    rounds = count()

    def verify(pairs: Pairs) -> Similarities:
        return verifier(task, f"near{next(rounds)}", parts, signed.counts, engine, step)(pairs)

    golds = found["gold"].to_numpy()
    settled = link.settle(signed, linked, golds, ranks, own, verify, task.settings)
    keeps = settled.chosen[settled.lost]
    wanted = distinct(keeps)
    survivors = _ids(tables, wanted).gather(np.searchsorted(wanted, keeps))
    for part in parts:
        if not part.against:
            with atomic_path(task.at("fate", part.number)) as temporary:
                settled.fate(survivors, part.first, part.first + part.rows).write_parquet(temporary)
    return settled.counts


def _ids(tables: Sequence[Path], rows: Places) -> pl.Series:
    """The ids of some rows (ascending), one table's ids in memory at a time."""
    found, first = [pl.Series("id", [], dtype=pl.String)], 0
    for table in tables:
        ids = pl.read_parquet(table, columns=["id"])["id"]
        low, high = np.searchsorted(rows, [first, first + len(ids)])
        found.append(ids.gather(rows[low:high] - first))
        first += len(ids)
    return pl.concat(found)
