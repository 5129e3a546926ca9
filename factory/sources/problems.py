"""Problems from any source, as one table: `schemas.PROBLEM`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest
from factory.config.problems import DRAWN
from factory.errors import UsageError
from factory.progress import note
from factory.run.parts import input_digest
from factory.run.tables import dropped_rows
from factory.sources.files import ReadResult, join, no_drops, read_file, require_columns
from factory.sources.gym import gym_problems, is_skipped
from factory.sources.hub import read_hub
from factory.sources.normalise import PLACE, problem_rows
from factory.sources.paths import expand
from factory.sources.procedural import draw_problems
from schemas import PROBLEM

STEP = "problems"


def read_problems(
    sources: str | Path | Sequence[str | Path],
    *,
    problem_field: str = "problem",
    answer_field: str = "answer",
    limit: int | None = None,
    seed: int = 0,
) -> ReadResult:
    """Read problems in source order.

    Args:
        sources: files, folders, globs, `hf://datasets/...`, `procedural:...`, `reasoning_gym:...`.
        problem_field: column with the problem's text.
        answer_field: column with the gold answer; may be absent when it is the default.
        limit: stop after this many problems.
        seed: seed of sources that draw and name none.

    Returns:
        PROBLEM rows with unique ids; what could not be used is in `dropped`, with its reason.

    Raises:
        UsageError: a source does not exist, cannot be read, or lacks the column.
    """
    listed = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if not listed:
        raise UsageError("no source of problems given", do="name a file, hf://datasets/... or procedural:all")
    found: list[ReadResult] = []
    for source in listed:
        have = sum(result.rows.height for result in found)
        if limit is not None and have >= limit:
            break
        left = None if limit is None else limit - have
        found += _read_source(source, problem_field, answer_field, left, seed)
    return unique_ids(join(found), limit)


def problems_of(rows: pl.DataFrame, source: str) -> pl.DataFrame:
    """PROBLEM rows of a table with columns `problem` and `answer`."""
    return problem_frame(problem_rows(rows, "problem", "answer", source)[0])


def problem_id(source: str, text: str) -> str:
    """`p-` + 16 hex of SHA-256 over source and text (schemas/problem.py)."""
    return "p-" + hashlib.sha256(f"{source}\n{text}".encode()).hexdigest()[:16]


def source_digests(sources: list[str]) -> dict[str, Path | str]:
    """A digest per source: of the bytes for files, of the spec for drawn and remote ones."""
    digests: dict[str, Path | str] = {}
    for source in sources:
        if source.startswith((*DRAWN, "hf://")):
            digests[source] = digest([source, "skipped"] if is_skipped(source) else source)
        else:
            digests[source] = digest([(path.name, input_digest(path)) for path in expand(source)])
    return digests


def _read_source(
    source: str | Path, problem_field: str, answer_field: str, limit: int | None, seed: int
) -> list[ReadResult]:
    text = str(source)
    if text.startswith("procedural:"):
        return [_drawn(draw_problems(text, seed=seed, limit=limit))]
    if text.startswith("reasoning_gym:"):
        return [_drawn(gym_problems(text, seed=seed, limit=limit))]
    if text.startswith("hf://"):
        rows, name = read_hub(text, limit=limit)
        read = [(ReadResult(rows, no_drops(), rows.height), name, text)]
    else:
        read = [(read_file(path, place=PLACE), _stem(path), str(path)) for path in expand(source)]
    results = []
    for result, name, where in read:
        if result.rows_in and not result.rows.height:
            results.append(ReadResult(problem_frame([]), result.dropped, result.rows_in))
            continue
        needed = [problem_field] + ([answer_field] if answer_field != "answer" else [])
        require_columns(result.rows, needed, where)
        kept, empty = problem_rows(result.rows, problem_field, answer_field, name)
        results.append(ReadResult(problem_frame(kept), pl.concat([result.dropped, empty]), result.rows_in))
    return results


def _drawn(rows: list[dict[str, Any]]) -> ReadResult:
    return ReadResult(problem_frame(rows), no_drops(), len(rows))


def problem_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of PROBLEM as a table; rows without an id get one."""
    kinds: dict[str, Any] = {name: pl.String for name in PROBLEM.names} | {"choices": pl.List(pl.String)}
    for row in rows:
        row["id"] = row.get("id") or problem_id(row["source"], row["problem"])
    return pl.DataFrame(rows, schema=kinds)


def problem_key(problem: dict[str, Any]) -> bytes:
    """What makes it the same problem: a digest of text, gold and choices."""
    return bytes.fromhex(digest([problem["problem"], problem["answer"], *(problem["choices"] or ())]))[:16]


def name_problem(problem: dict[str, Any], ids: dict[str, bytes]) -> bool:
    """Give a problem an id that no other has: its own, or one of source and text where another problem has that.

    An id that was replaced stays in the metadata.

    Args:
        problem: the row, changed in place; its id may be None.
        ids: ids so far with the `problem_key` of each, added to.

    Returns:
        True if the same problem has this id already.
    """
    key, given, source, text = problem_key(problem), problem["id"], problem["source"], problem["problem"]
    own, answered = problem_id(source, text), f"{text}\n{problem['answer']}"
    names = (given or own, own, problem_id(source, answered), problem_id(source, f"{answered}\n{key.hex()}"))
    name = next(name for name in names if ids.get(name, key) == key)
    if given not in (None, own, name):
        problem["metadata"] = json.dumps(json.loads(problem["metadata"] or "{}") | {"id": given})
    problem["id"], known = name, name in ids
    ids[name] = key
    return known


def unique_ids(result: ReadResult, limit: int | None) -> ReadResult:
    """Give every problem an id of its own; what is beyond `limit` counts as not read.

    Of rows with one id, text, gold and choices the first is kept. Files number their rows alike: another problem with an id that was
    there before gets a new one (`name_problem`).
    """
    rows = result.rows
    dropped = result.dropped
    if not rows.height:
        return result
    twice = rows["id"].is_duplicated()
    if twice.any():
        ids = dict.fromkeys(rows.filter(~twice)["id"], b"")
        named, place = rows.filter(twice).to_dicts(), pl.Series("_place", twice.arg_true())
        same = pl.Series([name_problem(row, ids) for row in named], dtype=pl.Boolean)
        again = pl.DataFrame(named, schema=rows.schema)
        if changed := ((again["id"] != rows.filter(twice)["id"]) & ~same).sum():
            note(f"{changed:,} problems had the id of another problem and got one of their own")
        lost = dropped_rows(
            again.filter(same),
            step=STEP,
            reason="duplicate_id",
            detail="id "
            + pl.col("id")
            + " occurs earlier in the sources",  # pl.format fails on rows of two files
        )
        kept = [
            rows.with_row_index("_place").filter(~twice),
            again.with_columns(place.cast(pl.get_index_type())).filter(~same).select("_place", *rows.columns),
        ]
        rows, dropped = pl.concat(kept).sort("_place").drop("_place"), pl.concat([dropped, lost])
    beyond = 0 if limit is None else max(rows.height - limit, 0)
    return ReadResult(rows.head(rows.height - beyond), dropped, result.rows_in - beyond)


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]
