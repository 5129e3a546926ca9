"""Step `verify`: responses in, the same responses with verdicts out. Nothing is dropped but what cannot be read."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from factory.atomic import atomic_path, file_digest
from factory.config.verify import VerifySection
from factory.engines.engine import Engine, EngineName, open_engine
from factory.errors import UsageError
from factory.run.by_part import Done, run_by_part
from factory.run.parts import finished, input_digest, iter_part, part_paths
from factory.run.writer import step_key
from factory.sources.files import no_drops
from factory.sources.paths import expand, refuse_own_input
from factory.sources.stage import Staged, staged
from factory.steps.verify_part import VOTES, tally_answers, tally_part, verify_part
from factory.verification import CHECKER_VERSION
from factory.verification.columns import as_responses
from factory.verification.flips import EXAMPLES
from factory.verification.gold import STRONG_SAMPLES, contradicted
from factory.verification.majority import count_votes
from schemas.table import Column, TableSchema
from schemas.verdict import VERDICT, VERDICT_COLUMNS


def run(
    responses: Path,
    out: Path,
    section: VerifySection,
    *,
    step: str = "verify",
    store: Path | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Verify every response of a step's folder.

    Args:
        responses: folder of RESPONSE parts. Verdicts that are already there are replaced and compared (flip report).
        out: folder for VERDICT parts; `gold_audit.parquet` beside them lists problems whose gold is doubtful.
        section: workers, seconds, judge, majority.
        step: name in the ledger, where a run verifies more than once.
        store: response store of the judge's replies; a folder beside `out` by default.
        engine: where the parts are verified. With a judge it is always this process: the judge's budget has one owner.

    Returns:
        The manifest; `totals` counts verdicts and methods, and holds the judge's costs, flips and gold flags.

    Raises:
        UsageError: `responses` holds no parts.
    """
    settings = key_settings(section)
    inputs = {"responses": input_digest(responses)}
    if manifest := finished(out, step_key(step, settings, inputs)):
        return manifest
    if not (parts := part_paths(responses)):
        raise UsageError(f"{responses} holds no part-*.parquet", do="run the step that writes it first")
    store = store or out.with_name(f"{out.name}-judge")
    return _verify(
        Staged(parts, no_drops()), out, section, VERDICT, step, inputs, store, engine, foreign=False
    )


def run_files(
    patterns: list[str],
    out: Path,
    section: VerifySection,
    *,
    store: Path | None = None,
    engine: Engine | None = None,
) -> tuple[dict[str, Any], bool]:
    """Verify responses from files of any origin; extra columns pass through.

    Returns:
        The manifest, and False when a finished folder was found instead.

    Raises:
        UsageError: a path matches nothing, or columns are missing.
    """
    refuse_own_input(out, patterns)
    inputs = {f"{number}": file_digest(path) for number, path in enumerate(expand(patterns))}
    if manifest := finished(out, step_key("verify", key_settings(section), inputs)):
        return manifest, False
    with _place(section, engine) as where, staged(patterns, out, where) as read:
        rows = as_responses(next(iter_part(read.parts[0], 1)), ", ".join(patterns))
        store = store or out.with_name(f"{out.name}-judge")
        return _verify(
            read, out, section, _schema_of(rows), "verify", inputs, store, where, foreign=True
        ), True


def key_settings(section: VerifySection) -> dict[str, Any]:
    """What decides verdicts: the settings without workers and budget, and the checker's version."""
    chosen = section.model_dump(mode="json", exclude={"workers", "judge"})
    judge = section.judge.identity() if section.judge else None
    return {**chosen, "judge": judge, "checker": CHECKER_VERSION}


def _verify(
    read: Staged,
    out: Path,
    section: VerifySection,
    schema: TableSchema,
    step: str,
    inputs: dict[str, str],
    store: Path,
    engine: Engine | None,
    *,
    foreign: bool,
) -> dict[str, Any]:
    out.mkdir(parents=True, exist_ok=True)
    with _place(section, engine) as where, tempfile.TemporaryDirectory(dir=out, prefix=".votes-") as scratch:
        folder = Path(scratch).resolve()
        votes = _majority(read.parts, section, foreign, folder, where) if section.majority else None
        return run_by_part(
            read.parts,
            out,
            step,
            partial(verify_part, section, foreign, votes, store.resolve()),
            schema=schema,
            settings=key_settings(section),
            inputs=inputs,
            engine=where,
            unit="responses",
            unread=read.unread,
            close=partial(_totals, out, section, votes, folder, where),
        )


@contextmanager
def _place(section: VerifySection, engine: Engine | None) -> Iterator[Engine]:
    counted = section.workers is not None and engine is not None and engine.name == EngineName.LOCAL
    if engine is not None and not section.judge and not counted:
        yield engine
    else:
        with open_engine("local", 1 if section.judge else section.workers) as local:
            yield local


def _majority(
    parts: Sequence[Path], section: VerifySection, foreign: bool, folder: Path, engine: Engine
) -> Path:
    """Write the majority answers of the problems without gold."""
    path = folder / "votes.parquet"
    votes = count_votes(_tallies(partial(tally_part, section, foreign), parts, folder, engine))
    rows = [(problem, vote.answer, vote.votes, vote.samples) for problem, vote in votes.items()]
    pl.DataFrame(rows, schema=VOTES, orient="row").write_parquet(path)
    return path


def _tallies(
    work: Callable[[tuple[Path, Path]], Path], parts: Sequence[Path], folder: Path, engine: Engine
) -> Iterator[pl.DataFrame]:
    items = ((path.resolve(), folder / f"tally-{number:05d}.parquet") for number, path in enumerate(parts))
    for path in engine.map(work, items):
        yield pl.read_parquet(path)


def _totals(
    out: Path, section: VerifySection, votes: Path | None, folder: Path, engine: Engine, done: Done
) -> dict[str, Any]:
    notes = [books.notes for books in done.books]
    flags = _gold_audit(out, section, folder, engine, done)
    return {
        "verdicts": _sum(notes, "verdicts"),
        "methods": _sum(notes, "methods"),
        "workers_replaced": sum(each["workers_replaced"] for each in notes),
        "gold_flags": flags,
        **({"majority_answers": pl.read_parquet(votes).height} if votes else {}),
        **(_judge_books([each["judge"] for each in notes]) if section.judge else {}),
        **_flips([each["flips"] for each in notes if each["flips"]]),
    }


def _sum(notes: Sequence[dict[str, Any]], name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in notes:
        total.update(each[name])
    return dict(sorted(total.items()))


def _judge_books(books: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sums = {name: sum(each[name] for each in books) for name in ("prompt_tokens", "completion_tokens")}
    return {"usd": round(sum(each["usd"] for each in books), 6), **sums, "judge": _sum(books, "judge")}


def _flips(flips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not flips:
        return {}
    examples = [example for each in flips for example in each["examples"]][:EXAMPLES]
    compared = sum(each["compared"] for each in flips)
    return {"flips": {"compared": compared, "counts": _sum(flips, "counts"), "examples": examples}}


def _gold_audit(
    out: Path, section: VerifySection, folder: Path, engine: Engine, done: Done
) -> dict[str, int]:
    """Write the flagged problems; returns how many there are of each flag.

    A gold is suspect when most of its problem's samples are wrong; it is contradicted when they agree on something else.
    """
    answers = done.aside("answers")
    suspects = folder / "suspects.parquet"
    few = (pl.col("samples") >= STRONG_SAMPLES) & (pl.col("right") < pl.col("samples") * 0.5)
    counted = (
        pl.scan_parquet(answers)
        .group_by("problem_id")
        .agg(right=(pl.col("verdict") == "correct").sum(), samples=pl.len())
    )
    counted.filter(few).select("problem_id").collect(engine="streaming").write_parquet(suspects)
    votes = count_votes(_tallies(partial(tally_answers, section, suspects), answers, folder, engine))
    wrong = pl.scan_parquet(answers).join(
        pl.scan_parquet(suspects), on="problem_id", how="semi", maintain_order="left"
    )
    flags = pl.concat(
        [
            *map(pl.read_parquet, done.aside("flags")),
            contradicted(wrong.unique(maintain_order=True).collect(), votes),
        ]
    )
    flags = flags.unique(["id", "flag"], keep="first", maintain_order=True)
    with atomic_path(out / "gold_audit.parquet") as temporary:
        flags.write_parquet(temporary)
    return {name: count for name, count in flags.group_by("flag").len().sort("flag").iter_rows()}


def _schema_of(rows: pl.DataFrame) -> TableSchema:
    """VERDICT for response tables; for others their own columns, then the verdict's."""
    if {"response_id", "problem_id"} <= set(rows.columns):
        return VERDICT
    added = {column.name for column in VERDICT_COLUMNS}
    own = tuple(
        Column(name, _arrow_type(rows.get_column(name)), "As in the input.")
        for name in rows.columns
        if name not in added
    )
    kind = () if "answer_kind" in rows.columns else (Column("answer_kind", pa.string(), "`AnswerKind`."),)
    return TableSchema("verified", 1, (*own, *kind, *VERDICT_COLUMNS))


def _arrow_type(column: pl.Series) -> pa.DataType:
    """The column's Arrow type; polars' large strings and lists as the ordinary ones."""
    return _ordinary(column.head(0).to_arrow().type)


def _ordinary(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(_ordinary(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _ordinary(f.type)) for f in kind])
    return kind
