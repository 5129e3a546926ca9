"""Deduplicate files of any size: what is held in memory is some tens of bytes a row, the rest lies in the workshop.

1. sign: every part is read once; keys of the LSH bands go to disk.
2. bands: one band at a time is sorted, over all parts; rows that meet are candidates.
3. pairs: the n-grams of the candidates' rows are read again, and every pair is verified exactly.
4. clusters: components, survivors, and what becomes of every row.

Each is a map over parts, bands or blocks on an engine. What is there already is not done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.atomic import atomic_path
from factory.deduplication.audit import draw_sample, measure_recall
from factory.deduplication.bands import Pairs, candidates
from factory.deduplication.clusters import preference, survivors
from factory.deduplication.evidence import cluster_names
from factory.deduplication.golds import split_by_gold
from factory.deduplication.link import Linked, first_twins, link, relink, similarity_to, standing_alone
from factory.deduplication.similarity import Similarities, Verify, arrange
from factory.deduplication.workshop import (
    Part,
    StoredSets,
    Task,
    find_in_band,
    found_at,
    read_sets,
    save,
    sign_part,
    verify_block,
)
from factory.engines.engine import Engine
from factory.progress import watch
from factory.text.hashing import U64, distinct
from factory.text.tokens import Places


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of every row of all parts; `tables` are the files it comes from, in order."""

    tables: list[Path]
    exact: U64
    guard: U64
    counts: npt.NDArray[np.int32]
    draw: npt.NDArray[np.uint32]

    @property
    def text_keys(self) -> U64:
        """Equal for rows with the same text and guard."""
        return self.exact ^ self.guard


def load_rows(tables: Sequence[Path]) -> Rows:
    """Read what `sign_part` has written, or all of it in one table."""
    found = pl.scan_parquet(list(tables)).select("exact", "guard", "counts", "draw").collect()
    exact, guard, counts, draw = (found[name].to_numpy() for name in found.columns)
    return Rows(list(tables), exact, guard, counts, draw)


def sign_parts(task: Task, parts: Sequence[Part], engine: Engine, step: str) -> Rows:
    """Read every part once."""
    tables = [task.at("rows", part.number) for part in parts]
    todo = [part for part, table in zip(parts, tables, strict=True) if not table.exists()]
    with watch(f"{step}: signatures", sum(part.rows for part in parts), "rows") as progress:
        progress.advance(sum(part.rows for part in parts) - sum(part.rows for part in todo))
        for rows in engine.map(partial(sign_part, task), todo):
            progress.advance(rows)
    return load_rows(tables)


def find_pairs(
    task: Task, parts: Sequence[Part], rows: Rows, twin: Places, engine: Engine, step: str
) -> Pairs:
    """The pairs of rows that share a bucket in some band."""
    save(task.at("alone"), standing_alone(twin, rows.counts))
    bands = range(np.load(task.at("keys", parts[0].number), mmap_mode="r").shape[0])
    todo = [band for band in bands if not task.at("band", band).exists()]

    def codes() -> Iterator[U64]:
        with watch(f"{step}: candidates", len(bands), "bands") as progress:
            for _ in engine.map(partial(find_in_band, task, parts), todo):
                progress.advance()
        for band in bands:
            yield np.load(task.at("band", band))

    return candidates(codes(), rows.guard)


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
            progress.advance(len(blocks) - len(todo))
            for _ in engine.map(partial(verify_block, task, name, parts), todo):
                progress.advance()
        result = np.empty(len(pairs))
        result[order] = np.concatenate([np.load(found_at(task, name, block)) for block in blocks])
        return result

    return verify


def want(task: Task, name: str, parts: Sequence[Part], rows: Places, engine: Engine) -> None:
    """Have the n-gram sets of some rows (ascending) written."""
    save(task.at(f"{name}-rows"), rows)
    todo = [part for part in parts if not task.at(f"{name}-sizes", part.number).exists()]
    for _ in engine.map(partial(read_sets, task, name), todo):
        pass


def cluster(
    task: Task, parts: Sequence[Part], engine: Engine, step: str
) -> tuple[Rows, Linked, dict[str, Any]]:
    """Phases 1 to 3, clusters, and the self-audit."""
    rows = sign_parts(task, parts, engine, step)
    twin = first_twins(rows.text_keys)
    found = find_pairs(task, parts, rows, twin, engine, step)
    linked = link(twin, found, verifier(task, "pair", parts, rows.counts, engine, step), task.settings)
    sample, share = draw_sample(rows.draw, rows.counts)
    want(task, "audit", parts, sample, engine)
    recall = measure_recall(
        sample, share, StoredSets(task, "audit", parts), rows.guard, linked.labels, task.settings.threshold
    )
    return rows, linked, linked.audit | recall


def cluster_again(keys: Path, pairs: Path, threshold: float) -> tuple[Rows, Linked, dict[str, Any]]:
    """The same from the tables of an earlier run with the same or a lower threshold; nothing is audited."""
    rows = load_rows([keys])
    known = pl.read_parquet(pairs)
    both = known.select("left", "right").to_numpy().astype(np.int64)
    linked = relink(first_twins(rows.text_keys), both, known["similarity"].to_numpy(), threshold)
    return rows, linked, linked.audit | {"recall": None}


def decide(
    task: Task, parts: Sequence[Part], rows: Rows, linked: Linked, engine: Engine, step: str
) -> dict[str, Any]:
    """Write what becomes of every row of every part that is not compared against; returns their numbers."""
    own = sum(part.rows for part in parts if not part.against)
    names = ("verified", "answered", "source", "length", "gold")
    found = pl.scan_parquet(rows.tables).select(names).collect()
    ranks = preference(found.head(own), task.settings.keep)
    published = rows.exact.size - own
    ranks = np.concatenate([ranks + published, np.arange(published)])
    labels, torn = split_by_gold(linked.labels, found["gold"].to_numpy(), ranks)
    chosen = survivors(labels, ranks)
    lost = np.flatnonzero(chosen[:own] != np.arange(own))
    nearness = similarity_to(chosen, lost, linked, verifier(task, "near", parts, rows.counts, engine, step))
    wanted = distinct(chosen[lost])
    ids = _ids(rows.tables, wanted)
    for part in parts:
        if part.against:
            continue
        low, high = np.searchsorted(lost, [part.first, part.first + part.rows])
        gone, keeps = lost[low:high], chosen[lost[low:high]]
        here = slice(part.first, part.first + part.rows)
        fate = pl.DataFrame(
            {
                "cluster_id": cluster_names(rows.text_keys[chosen[here]]),
                "group": cluster_names(rows.text_keys[linked.labels[here]]),
                "torn": torn[here],
            }
        )
        told = pl.DataFrame(
            {
                "place": gone - part.first,
                "survivor": ids.gather(np.searchsorted(wanted, keeps)),
                "similarity": nearness[low:high],
                "exact": rows.exact[gone] == rows.exact[keeps],
            }
        )
        with atomic_path(task.at("fate", part.number)) as temporary:
            fate.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64)).join(
                told, on="place", how="left", maintain_order="left"
            ).write_parquet(temporary)
    conflicts = np.unique(linked.labels[:own][torn[:own]]).size
    return {"rows": own, "kept": own - lost.size, "dropped": int(lost.size), "conflicts": conflicts}


def _ids(tables: Sequence[Path], rows: Places) -> pl.Series:
    """The ids of some rows (ascending), one table's ids in memory at a time."""
    found, first = [pl.Series("id", [], dtype=pl.String)], 0
    for table in tables:
        ids = pl.read_parquet(table, columns=["id"])["id"]
        low, high = np.searchsorted(rows, [first, first + len(ids)])
        found.append(ids.gather(rows[low:high] - first))
        first += len(ids)
    return pl.concat(found)
