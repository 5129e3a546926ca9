"""Training sets made ready for a comparison: brought to one form, questions taken out, equally long if wanted."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from factory.config.compare import CompareSection
from factory.config.decontamination import DecontaminationSection
from factory.config.load import load_recipe
from factory.config.problems import SourceSection
from factory.datasets.render import completion_column, last_message, prompt_column, renderable
from factory.errors import FactoryError, UsageError
from factory.evaluation.benchmarks import load_benchmark
from factory.publishing.trainer_exports import find_sets
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST, count_rows, iter_part, part_paths, read_parts
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.sources.problems import problem_frame, source_digests
from factory.steps import decontaminate, export, imports
from schemas import COMPLETION, PROBLEM
from schemas.outcome import complete

STEP = "compare-set"
BINS = 10
"""Classes of length that `match_lengths` makes equally frequent."""
FIXED = {"teacher": "unknown", "model": "unknown", "source": "unknown"}
PROBLEM_COLUMN = "problem"
"""The bare problem, beside the columns of a training row."""


@dataclass(frozen=True, slots=True)
class SetRead:
    """Where a set's rows come from: a training set as it is, or traces; and rows of the files that could not be used."""

    origin: str
    unused: dict[str, int]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many."""

    count: int


def set_names(given: Sequence[str]) -> list[str]:
    """A short name for each set, of its file, its folder or what it is called; equal ones are numbered.

    They name folders: what is neither letter, figure, point nor dash becomes a dash.
    """
    stems = [
        re.sub(r"\.(jsonl?|parquet|csv|gz|zst|tar)\b.*", "", Path(each.rstrip("/")).name) for each in given
    ]
    plain = [re.sub(r"[^\w.-]+", "-", each).strip("-.") or "set" for each in stems]
    seen: Counter[str] = Counter()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(name if plain.count(name) == 1 else f"{name}-{seen[name]}")
    return names


def run_of(path: str) -> RunLayout | None:
    """The run that a path is, or that its set belongs to."""
    at = Path(path)
    for folder in (at, *at.resolve().parents[:2]):
        if (folder / "recipe.yaml").is_file():
            return RunLayout(folder)
    return None


def wording(paths: Sequence[str], section: CompareSection) -> CompareSection:
    """The section with the questions and the prompt of the sets' run where the user says nothing.

    Raises:
        UsageError: the runs ask their students in different words.
    """
    found = []
    for path in paths:
        if (run := run_of(path)) is not None:
            asked = load_recipe(str(run.recipe)).datasets
            found.append({"prompt": asked.prompt, "system": asked.system})
            if section.questions is None and (run.held_out / MANIFEST).exists():
                section = section.model_copy(update={"questions": str(run.held_out)})
    if found and not {"prompt", "system"} & section.model_fields_set:
        if any(each != found[0] for each in found):
            raise UsageError(
                "the sets ask their problems in different words (datasets.prompt, datasets.system)",
                do="name one with --prompt, and make the sets with it",
            )
        section = section.model_copy(update=found[0])
    return section


def read_set(path: str, out: Path, section: CompareSection) -> StepResult[SetRead]:
    """A set as COMPLETION rows with the bare problem beside them.

    Raises:
        UsageError: it holds neither training rows nor traces.
    """
    files = _training_files(Path(path))
    source = SourceSection(path=path)
    inputs = source_digests([str(each) for each in files] or [source.spec])
    settings = {"wording": None if files else [section.prompt, section.system], "version": 1}
    step = Step(STEP, out, SetRead, settings=settings, inputs=inputs)

    def make(writer: StepWriter) -> SetRead:
        if files:
            for file in files:
                for rows in iter_part(file, 2_000):
                    writer.read["rows"] += rows.height
                    writer.keep(rows.with_columns(last_message(rows["prompt"]).alias(PROBLEM_COLUMN)))
            return SetRead("training set", {})
        reading = imports.Reading(quiet=True)
        unused: Counter[str] = Counter()
        problems: list[pl.DataFrame] = []
        for block in reading.blocks(imports.files_of(source)):
            unused.update(block.problems.dropped["reason"].to_list())
            problems.append(block.problems.rows)
            rows = block.responses.join(pl.concat(problems), left_on="problem_id", right_on="id", how="left")
            writer.read["responses"] += rows.height
            fit = complete() & renderable() & pl.col("problem").is_not_null()
            writer.drop(
                dropped_rows(
                    rows.filter(~fit), step=STEP, reason="incomplete_or_empty", id_column="response_id"
                )
            )
            writer.keep(_training_rows(rows.filter(fit), section))
        del unused["same_problem"]  # its responses are kept
        if not writer.read["responses"]:
            raise UsageError(
                f"{path} holds neither training rows nor traces",
                do="compare sets of factory select, or files with a response in each row",
            )
        return SetRead("traces", dict(unused))

    done = step.run(make)
    if not done.manifest["rows_out"]:
        raise UsageError(f"{path} holds no complete response", do="look at it with factory import")
    return done


def _training_files(path: Path) -> list[Path]:
    """The shards of a run's sft set, or of a set's folder; none where a path holds something else."""
    if not path.is_dir():
        return []
    try:
        sets = find_sets(path)
    except FactoryError:
        return []
    table, folder = sets.get("sft") or next(iter(sets.values()))
    return sorted(folder.glob("*.parquet")) if table == COMPLETION.name else []


def _training_rows(rows: pl.DataFrame, section: CompareSection) -> pl.DataFrame:
    made = rows.with_columns(
        prompt_column(rows, section.prompt, section.system),
        completion_column(rows, "completion"),
        teacher=pl.col("sampler") if "sampler" in rows.columns else pl.lit(FIXED["teacher"]),
    )
    columns = {column.name: column for column in COMPLETION.columns}
    empty = pl.DataFrame(pl.from_arrow(COMPLETION.empty()))
    missing = [
        pl.lit(FIXED.get(name), dtype=empty.schema[name]).alias(name)
        for name in columns
        if name not in made.columns
    ]
    filled = made.with_columns(*missing).with_columns(
        pl.col(name).fill_null(value) for name, value in FIXED.items()
    )
    return filled.select(*(pl.col(name).cast(empty.schema[name]) for name in columns), PROBLEM_COLUMN)


def write_questions(sets: Mapping[str, Path], out: Path, section: CompareSection) -> StepResult[Counted]:
    """The questions, as PROBLEM rows: those that are named, else some of the sets' own with a gold answer, in equal shares.

    Raises:
        UsageError: there are none.
    """
    if section.questions is not None:
        found = load_benchmark(section.questions, limit=section.limit, seed=section.seed).questions
        inputs: dict[str, Path | str] = (
            source_digests([section.questions]) if _is_source(section.questions) else {}
        )
    else:
        found, inputs = _drawn(sets, section), dict(sets)
    settings = section.model_dump(include={"questions", "limit", "seed"})
    step = Step("questions", out, Counted, settings=settings, inputs=inputs, schema=PROBLEM)

    def make(writer: StepWriter) -> Counted:
        writer.rows_in = found.height
        for name, folder in sets.items() if section.questions is None else ():
            writer.read[name] += count_rows(part_paths(folder))
        writer.keep(found)
        return Counted(found.height)

    return step.run(make)


def _is_source(questions: str) -> bool:
    return ":" in questions or Path(questions).exists()


def _drawn(sets: Mapping[str, Path], section: CompareSection) -> pl.DataFrame:
    light = ["problem_id", PROBLEM_COLUMN, "answer", "source", "licence", "domain", "level"]
    texts: set[str] = set()
    chosen: list[dict[str, object]] = []
    for number, (_, folder) in enumerate(sorted(sets.items())):
        rows = read_parts(folder).select(light).filter(pl.col("answer").is_not_null())
        rows = rows.unique(PROBLEM_COLUMN, keep="first", maintain_order=True).sort(PROBLEM_COLUMN)
        left = rows.filter(~pl.col(PROBLEM_COLUMN).is_in(list(texts)))
        share = (section.limit - len(chosen)) // (len(sets) - number)
        # A fifth of a set's problems at most: what is asked cannot be learned from.
        share = min(share, left.height // 5)
        for at in random.Random(f"questions|{section.seed}|{number}").sample(range(left.height), share):
            row = left.row(at, named=True)
            texts.add(row[PROBLEM_COLUMN])
            chosen.append({**row, "id": row["problem_id"], "answer_source": "given"})
    if len(chosen) < 20:
        raise UsageError(
            f"only {len(chosen)} questions can be taken out of the sets (they need gold answers)",
            do="name some with --questions: a file, a benchmark, or a procedural: source",
        )
    return problem_frame(chosen).unique("id", keep="first", maintain_order=True)


def clean_set(rows: Path, questions: Path, out: Path) -> StepResult[decontaminate.Decontaminated]:
    """A set without the rows that hold one of the questions."""
    against = DecontaminationSection(against=[str(path) for path in part_paths(questions)])
    return decontaminate.run(rows, out, against, fields=[PROBLEM_COLUMN])


def finish_sets(
    clean: Mapping[str, Path], out: Path, section: CompareSection
) -> dict[str, StepResult[export.Exported]]:
    """The sets as the trainer reads them; with `match_lengths` thinned out to the lengths that all have."""
    taken = dict(clean)
    if section.match_lengths:
        kept = _matched(clean, section.seed)
        for name in clean:
            step = Step(
                "match-lengths",
                out / name / "matched",
                Counted,
                settings={"seed": section.seed},
                inputs=dict(clean),
            )
            step.run(partial(_thin, clean, name, kept[name]))
            taken[name] = out / name / "matched"
    for name, folder in taken.items():
        if not count_rows(part_paths(folder)):
            raise UsageError(f"nothing is left of {name} without the questions", do="name other --questions")
    return {name: export.run(folder, out / name / "set", COMPLETION) for name, folder in taken.items()}


def _matched(clean: Mapping[str, Path], seed: int) -> dict[str, set[str]]:
    """Ids of responses to keep: in every class of length, as many of each set as the set with fewest has."""
    sizes = {
        name: read_parts(folder).select(
            "response_id", size=last_message(read_parts(folder)["completion"]).str.len_bytes()
        )
        for name, folder in clean.items()
    }
    pooled = pl.concat([each["size"] for each in sizes.values()])
    breaks = sorted({float(pooled.quantile(at / BINS) or 0) for at in range(1, BINS)})
    classed = {
        name: each.with_columns(bin=each["size"].cut(breaks, labels=[str(i) for i in range(len(breaks) + 1)]))
        for name, each in sizes.items()
    }
    kept: dict[str, set[str]] = {name: set() for name in clean}
    for label in map(str, range(len(breaks) + 1)):
        groups = {
            name: each.filter(pl.col("bin") == label)["response_id"].to_list()
            for name, each in classed.items()
        }
        fewest = min(map(len, groups.values()))
        for name, ids in groups.items():
            kept[name].update(random.Random(f"{seed}|{name}|{label}").sample(ids, fewest))
    return kept


def _thin(clean: Mapping[str, Path], name: str, kept: set[str], writer: StepWriter) -> Counted:
    rows = read_parts(clean[name])
    for each, folder in clean.items():
        writer.read[each] += count_rows(part_paths(folder))
    writer.rows_in = rows.height
    stays = pl.col("response_id").is_in(list(kept))
    writer.keep(rows.filter(stays))
    writer.drop(
        dropped_rows(
            rows.filter(~stays), step="match-lengths", reason="other_length", id_column="response_id"
        )
    )
    return Counted(len(kept))


def unite(clean: Mapping[str, Path], out: Path) -> None:
    """All sets together as one, from which a student that is built from scratch learns its vocabulary."""
    rows = pl.concat((read_parts(folder) for folder in clean.values()), how="diagonal_relaxed")
    path = out.with_name("together.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(path)
    export.run(path, out, COMPLETION)
