"""Step `pairs`: pairs of a correct and an incorrect response to the same problem, and the lint they must pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.preference import PreferenceSection
from factory.config.prompt import Given
from factory.datasets.overlap import problem_texts, used_by
from factory.datasets.pair_bias import cohens_d, match_length
from factory.datasets.pair_inputs import COLUMNS, as_verdicts, both_sided, chosen_pool, rejected_pool
from factory.datasets.pair_lint import Limits, Lint, lint_pairs
from factory.datasets.pairs import PROBLEM_COLUMNS, pair_problems, pair_table
from factory.datasets.render import last_message
from factory.datasets.selection import draw_evenly
from factory.errors import FactoryError, UsageError
from factory.run.keys import deciding
from factory.run.parts import MANIFEST, SIDE_FOLDER, count_rows, part_paths, scan_parts
from factory.run.review import NOTHING, REASON, is_rejected, review_input
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.sources.files import read_rows
from factory.steps.source import open_source
from schemas import PREFERENCE

STEP = "pairs"
VERSION = 1
"""Rises when other pairs are made with the same settings."""
LINT_FILE = "lint.json"


@dataclass(frozen=True, slots=True)
class Paired:
    """Problems read, the lint, cells of domain and level, what matching lengths cost, who was rejected."""

    problems: int
    lint: dict[str, Any]
    balance: list[dict[str, Any]]
    match_length: dict[str, Any] | None
    rejected_samplers: dict[str, int]


@dataclass(frozen=True, slots=True)
class Taken:
    """Nothing to say of files that were only brought into a folder."""


def run(
    verdicts: Path,
    rollouts: Path | None,
    out: Path,
    section: PreferenceSection,
    *,
    seed: int,
    prompt: Given = "{problem}",
    system: str | None = None,
    exclude: Sequence[Path] = (),
    rejected: Collection[str] = NOTHING,
    may_be_empty: bool = False,
) -> StepResult[Paired]:
    """Pair up responses, lint the pairs and write them.

    Args:
        verdicts: folder of LABELLED (or VERDICT) parts: the teacher's responses; chosen ones come from here.
        rollouts: folder of the student's VERDICT parts; needed unless only the teacher's are rejected.
        out: folder of PREFERENCE parts, and of side file `lint.json`.
        section: where rejected responses come from, the rule and the lint's limits.
        seed: decides the draw when there are more than `max_pairs`.
        prompt: text or messages with `{problem}`.
        system: system message.
        exclude: folders (RL prompts, evaluation sets) whose problems must not be paired: same id or canonical text.
        rejected: problem and response ids that a reviewer rejected; neither side of a pair may be one.
        may_be_empty: without any pair write an empty set and why each problem has none.

    Raises:
        UsageError: the student's rollouts are wanted but not there.
        FactoryError: no pair can be made (says why), or the lint fails (names checks and settings).
    """
    settings = {**deciding(section), "seed": seed, "prompt": prompt, "system": system, "version": VERSION}
    inputs: dict[str, Path | str] = {"verdicts": verdicts}
    inputs |= {**{f"exclude:{i}": path for i, path in enumerate(exclude)}, **review_input(rejected)}
    sides = {"rejected_from": section.rejected_from, "chosen_from": section.chosen_from}
    asked = [f"{name}={who}" for name, who in sides.items() if who != "teacher"]
    if asked:
        if rollouts is None:
            raise UsageError(
                f"{asked[0]} needs the student's rollouts",
                do="give the folder that the difficulty step wrote, or take the teacher's: "
                + asked[0].partition("=")[0]
                + "=teacher",
            )
        inputs["rollouts"] = rollouts
    unit = "pairs and unpaired problems"
    step = Step(STEP, out, Paired, settings=settings, inputs=inputs, schema=PREFERENCE, unit=unit)

    def make(writer: StepWriter) -> Paired:
        for name, folder in {"verdicts": verdicts, "rollouts": rollouts if asked else None}.items():
            writer.read[name] += count_rows(part_paths(folder)) if folder else 0
        problems = _problems(verdicts, exclude)
        chosen, wrong = both_sided(*_pools(verdicts, rollouts, section, rejected))
        free = problems.filter(pl.col("used").is_null() & ~is_rejected(rejected, "problem_id"))
        pairs = pair_problems(
            free["problem_id"].to_list(),
            chosen,
            wrong,
            rule=section.rule,
            per_problem=section.per_problem,
            max_similarity=section.max_similarity,
        )
        paired = {pair.chosen["problem_id"] for pair in pairs}
        unpaired = _unpaired(problems, paired, verdicts, rollouts, section, rejected)
        if not pairs and not may_be_empty:
            raise _nothing(unpaired, section)
        writer.rows_in = len(pairs) + problems.height - len(paired)
        writer.drop(
            dropped_rows(
                unpaired.drop("why"), step=STEP, reason=pl.lit(unpaired["why"]), id_column="problem_id"
            )
        )
        if not pairs:
            writer.keep(PREFERENCE.empty())
            return Paired(problems.height, {}, [], None, {})
        rule = f"delta:{section.rule}" if section.rejected_from == "delta" else section.rule
        table = pair_table(pairs, problems.select(PROBLEM_COLUMNS), rule=rule, prompt=prompt, system=system)
        drawn, over = _limit(table, section, seed)
        kept, biased, cost = _match(drawn, section, may_be_empty=may_be_empty)
        said: dict[str, Any] = {}
        if kept.height:
            limits = Limits(section.max_length_bias, section.max_format_bias, section.max_duplicates)
            lint = lint_pairs(kept, limits, _overlap(kept, exclude))
            _gate(lint, writer)
            said = lint.to_dict()
            writer.side(LINT_FILE, said)
        writer.keep(kept)
        for rows, reason in ((over, "over_max_pairs"), (biased, "length_bias")):
            writer.drop(dropped_rows(rows, step=STEP, reason=reason, id_column="chosen_response_id"))
        samplers = dict(kept.group_by("rejected_sampler").len().sort("len").iter_rows())
        return Paired(problems.height, said, _balance(kept), cost, samplers)

    return step.run(make)


def take_in(patterns: Sequence[str], into: Path) -> Path:
    """Verified responses from files of any origin, as a folder that `run` reads.

    A single step's folder is taken as it is; anything else is read and written to `into`.

    Raises:
        UsageError: a path matches nothing, or columns are missing.
    """
    if len(patterns) == 1 and (Path(patterns[0]) / MANIFEST).exists():
        names = scan_parts(Path(patterns[0])).collect_schema().names()
        if {"problem_id", "response_id", "verdict", "status"} <= set(names):
            return Path(patterns[0])
    source = open_source(patterns, into)

    def make(writer: StepWriter) -> Taken:
        read = read_rows(patterns)
        writer.read["rows"] += read.rows_in
        writer.keep(as_verdicts(read.rows, source.name))
        writer.drop(read.dropped)
        return Taken()

    Step("read", into, Taken, settings={}, inputs=source.inputs).run(make)
    return into


def _pools(
    verdicts: Path, rollouts: Path | None, section: PreferenceSection, rejected: Collection[str] = NOTHING
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Responses that may be chosen, and those that may be rejected."""
    delta = section.rejected_from == "delta"
    sources = [verdicts] * (section.rejected_from in ("teacher", "both"))
    sources += [rollouts] * (section.rejected_from != "teacher" and rollouts is not None)  # type: ignore[list-item]
    pools = [
        rejected_pool(scan_parts(source), truncated=section.allow_truncated, delta=delta).select(COLUMNS)
        for source in sources
    ]
    fit = ~is_rejected(rejected, "problem_id", "response_id")
    givers = [verdicts] * (section.chosen_from != "student")
    givers += [rollouts] * (section.chosen_from != "teacher" and rollouts is not None)  # type: ignore[list-item]
    chosen = [chosen_pool(scan_parts(giver)).select(COLUMNS) for giver in givers]
    return pl.concat(chosen).filter(fit), pl.concat(pools).filter(fit)


def _problems(verdicts: Path, exclude: Sequence[Path]) -> pl.DataFrame:
    """PROBLEM_COLUMNS of every problem, and `used`: the excluded folder that holds it, or null."""
    lazy = scan_parts(verdicts)
    there = lazy.collect_schema().names()
    missing = [pl.lit(None, dtype=pl.String).alias(name) for name in PROBLEM_COLUMNS if name not in there]
    rows = lazy.with_columns(missing).select(PROBLEM_COLUMNS)
    problems = rows.unique("problem_id", keep="first", maintain_order=True).collect()
    return problems.with_columns(used_by(problem_texts(problems), exclude))


def _unpaired(
    problems: pl.DataFrame,
    paired: set[str],
    verdicts: Path,
    rollouts: Path | None,
    section: PreferenceSection,
    rejected: Collection[str],
) -> pl.DataFrame:
    """Problems without a pair and `why`; `rejected_in_review` where both sides were there before the review."""
    fit = _sides(*_pools(verdicts, rollouts, section, rejected))
    before = _sides(*_pools(verdicts, rollouts, section)) if rejected else fit
    names = {(True, True): "too_similar", (True, False): "no_incorrect", (False, True): "no_correct"}

    def reason(problem: str, used: str | None) -> str:
        if problem in rejected:
            return REASON
        if used:
            return "already_used"
        both = all(problem in side for side in before) and not all(problem in side for side in fit)
        return REASON if both else names.get((problem in fit[0], problem in fit[1]), "neither")

    left = problems.drop("metadata").filter(~pl.col("problem_id").is_in(list(paired)))
    why = [reason(problem, used) for problem, used in left.select("problem_id", "used").iter_rows()]
    return left.with_columns(why=pl.Series(why, dtype=pl.String))


def _sides(*pools: pl.LazyFrame) -> list[set[str]]:
    """The problems that each pool has a response to."""
    ids = [pool.select("problem_id").unique().collect(engine="streaming") for pool in pools]
    return [set(found["problem_id"]) for found in ids]


def _limit(table: pl.DataFrame, section: PreferenceSection, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """At most `max_pairs`, balanced over domain and level."""
    if section.max_pairs is None or table.height <= section.max_pairs:
        return table, table.clear()
    rows = table.with_row_index("row").with_columns(response_id="chosen_response_id")
    drawn = draw_evenly(rows, section.max_pairs, ["domain", "level"], seed)
    over = rows.join(drawn.select("row"), on="row", how="anti", maintain_order="left")
    return drawn.drop("row", "response_id"), over.drop("row", "response_id")


def _match(
    table: pl.DataFrame, section: PreferenceSection, *, may_be_empty: bool
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any] | None]:
    """Pairs that stay, pairs that go, and what that cost; everything stays unless `match_length` is set."""
    if not section.match_length:
        return table, table.clear(), None
    chosen, rejected = (
        last_message(table[side]).str.len_chars().to_numpy() for side in ("chosen", "rejected")
    )
    stays = match_length(chosen, rejected, section.max_length_bias)
    if not stays.any():
        if may_be_empty:
            return table.clear(), table, None
        raise FactoryError(
            f"no two of {table.height:,} pairs meet the length bias limit {section.max_length_bias}",
            do="raise preference.max_length_bias, or sample more responses",
        )
    kept, gone = table.filter(pl.Series(stays)), table.filter(pl.Series(~stays))
    cost = {
        "dropped": gone.height,
        "share": gone.height / table.height,
        "bias_before": cohens_d(chosen, rejected),
        "bias_after": cohens_d(chosen[stays], rejected[stays]),
    }
    return kept, gone, cost


def _overlap(pairs: pl.DataFrame, exclude: Sequence[Path]) -> dict[str, int]:
    """Pairs whose problem an excluded folder holds; 0 by construction, counted again on what is written."""
    texts = problem_texts(pairs)
    return {f"{p.parent.name}/{p.name}": int(used_by(texts, [p]).is_not_null().sum()) for p in exclude}


def _gate(lint: Lint, writer: StepWriter) -> None:
    """Stop when the lint fails, and leave what it saw."""
    failed = [check for check in lint.checks if not check.passed]
    if not failed:
        return
    writer.leave(LINT_FILE, lint.to_dict())
    what = "; ".join(f"{c.name} {c.value:.3g}, limit {c.limit:.3g} ({c.setting})" for c in failed)
    about_length = any(check.name == "length bias" for check in failed)
    where = writer.out / SIDE_FOLDER / LINT_FILE
    raise FactoryError(
        f"the {lint.pairs:,} pairs fail their lint: {what}; examples in {where}",
        do="set preference.match_length=true"
        if about_length
        else "choose another preference.rule or preference.rejected_from, or raise the limit",
    )


def _balance(pairs: pl.DataFrame) -> list[dict[str, Any]]:
    return pairs.group_by("domain", "level").agg(pairs=pl.len()).sort("domain", "level").to_dicts()


def _nothing(unpaired: pl.DataFrame, section: PreferenceSection) -> FactoryError:
    counts = dict(unpaired.group_by("why").len().sort("len", descending=True).iter_rows())
    why = ", ".join(f"{n:,} {reason}" for reason, n in counts.items()) or "there are no responses"
    advice = {
        "no_incorrect": "every complete answer is right: raise generate.samples or difficulty.max_samples, take harder "
        "problems, or set preference.rejected_from=both or preference.allow_truncated=true",
        "no_correct": "no answer is right: take easier problems or a stronger teacher",
        "neither": "no response is complete and verified: raise generate.max_tokens, check that problems have answers",
        "too_similar": "right and wrong responses say nearly the same: raise preference.max_similarity or the temperature",
        "already_used": "all problems are used elsewhere: add problems",
        REASON: "a reviewer rejected them: take marks back with `factory view`",
    }
    first = max(counts, key=lambda reason: counts[reason]) if counts else "neither"
    return FactoryError(
        f"no pair can be made with preference.rejected_from={section.rejected_from}: {why}", do=advice[first]
    )
