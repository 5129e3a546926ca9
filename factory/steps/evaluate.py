"""Step `evaluate`: a model on every benchmark of the recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest, read_json, write_json
from factory.config.endpoint import Access, Address, Budget, Endpoint
from factory.config.evaluation import EvaluationSection
from factory.config.prompt import Given
from factory.config.verify import VerifySection
from factory.errors import FactoryError, UsageError
from factory.evaluation.benchmarks import HELD_OUT, Benchmark, load_benchmark
from factory.evaluation.evaluate import PROMPT, Evaluation, evaluate
from factory.evaluation.summary import summarise
from factory.run.keys import deciding
from factory.run.parts import read_parts
from factory.run.step import Step
from factory.run.step_writer import StepWriter
from factory.sampling import open_sampler
from factory.sampling.presets import check_name, open_endpoint
from factory.sampling.sampler import Sampler
from factory.verification.result import checking
from schemas import VERDICT, ResponseStatus

STEP = "evaluate"
SUMMARY = "summary.json"
_ELSEWHERE = ("benchmarks", "stages", "limit")
"""Settings of the section that say which evaluations there are."""


@dataclass(frozen=True, slots=True)
class Graded:
    """One benchmark's cost."""

    benchmark: str
    stage: str
    prompt_tokens: int
    completion_tokens: int
    usd: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """All benchmarks of a model (name to figures, see `summarise`): what `summary.json` holds, but for `made`."""

    stage: str
    model: str
    revision: str | None
    sampling: dict[str, Any]
    benchmarks: dict[str, dict[str, Any]]
    made: list[str]
    """Benchmarks that were evaluated just now; the others were up to date."""


def run(
    model: str,
    out: Path,
    section: EvaluationSection,
    verify: VerifySection,
    *,
    held_out: Path | None,
    store: Path,
    seed: int,
    stage: str,
    prompt: Given = PROMPT,
    system: str | None = None,
    access: Access | None = None,
    caps: Budget | None = None,
) -> Evaluated:
    """Evaluate a model and write graded responses a benchmark and `summary.json`.

    Args:
        model: a checkpoint folder, or a sampler preset.
        out: folder; every benchmark gets its own below it (VERDICT parts).
        section: benchmarks and sampling.
        verify: how answers are checked; a checker of the user's own decides on `held_out` only.
        held_out: folder of the run's held-out problems, for benchmark `held_out`.
        store: the response store.
        seed: of the samples and of drawn questions.
        stage: name of the stage, for the summary.
        prompt: text or messages with `{problem}`.
        system: system message.
        access: how a preset's endpoint is reached and how fast it may be asked.
        caps: what may be spent on it; what the store holds from earlier evaluations counts.

    Raises:
        UsageError: the model or a benchmark does not exist, two benchmarks have one name, or `out` is not ours.
        FactoryError: not one request was answered.
    """
    local = Path(model).is_dir()
    if not local and ("/" in model or model.startswith(".")):
        raise UsageError(
            f"{model} is neither a folder nor a sampler preset", do="give a checkpoint folder or a preset"
        )
    if not local:
        check_name(model)
    benchmarks = [
        load_benchmark(b, held_out=held_out, limit=section.limit, seed=seed) for b in section.benchmarks
    ]
    _check_names(benchmarks)
    _check_out(out)
    # A checker of the user's own is for the run's problems; benchmarks are graded by the rules, as elsewhere.
    rules = verify.model_copy(update={"checker": None})
    graded_by = {each.name: verify if each.name == HELD_OUT else rules for each in benchmarks}
    settings = {
        "sampling": deciding(section, without=_ELSEWHERE),
        "seed": seed,
        "prompt": prompt,
        "system": system,
        "model": "checkpoint" if local else [model, access.model if access else None],
    }
    made_of = {"model": Path(model)} if local else {}
    steps = [
        Step(
            STEP,
            out / benchmark.name,
            Graded,
            settings={**settings, "verify": checking(graded_by[benchmark.name])},
            inputs={"questions": digest(benchmark.questions.to_dicts()), **made_of},
            schema=VERDICT,
            unit="responses",
        )
        for benchmark in benchmarks
    ]
    to_make = [pair for pair in zip(steps, benchmarks, strict=True) if not pair[0].finished()]
    for step, _ in to_make:
        step.check_out()  # all of them, before the first is asked
    if to_make:
        sampler = _open(model, local, section, access or Access(), caps)
    for step, benchmark in to_make:
        asking = partial(
            evaluate,
            sampler,
            benchmark.questions,
            section,
            graded_by[benchmark.name],
            store=store,
            seed=seed,
            prompt=prompt,
            system=system,
            access=access,
            caps=caps,
        )
        step.run(partial(_grade, asking, benchmark, stage, section.samples))
    figures = {benchmark.name: summarise(read_parts(out / benchmark.name)) for benchmark in benchmarks}
    made = [benchmark.name for _, benchmark in to_make]
    revision = steps[0].inputs.get("model") if steps else None
    sampling = section.model_dump(
        mode="json", include={"samples", "temperature", "top_p", "max_tokens", "limit"}
    )
    name = model if not local else Path(model).name
    evaluated = Evaluated(stage, name, revision, sampling, figures, made)
    write_json(out / SUMMARY, {name: value for name, value in asdict(evaluated).items() if name != "made"})
    return evaluated


def _grade(
    asking: Callable[[], Evaluation], benchmark: Benchmark, stage: str, samples: int, writer: StepWriter
) -> Graded:
    writer.read["questions"] += benchmark.questions.height
    writer.rows_in = benchmark.questions.height * samples
    graded = asking().graded
    _check_answered(graded, benchmark.name)
    writer.keep(graded)
    prompt, completion = (int(graded[name].sum() or 0) for name in ("prompt_tokens", "completion_tokens"))
    return Graded(benchmark.name, stage, prompt, completion, float(graded["usd"].sum() or 0.0))


def _check_out(out: Path) -> None:
    """A `summary.json` that is no evaluation's is not overwritten."""
    path = out / SUMMARY
    if path.exists() and not {"stage", "benchmarks"} <= set(read_json(path) or ()):
        raise UsageError(f"{path} was not written by an evaluation", do="choose another --out folder")


def _open(
    model: str, local: bool, section: EvaluationSection, access: Access, caps: Budget | None
) -> Sampler:
    if local:
        return open_sampler("student", model=model, batch_size=section.batch_size)
    return open_endpoint(Endpoint(preset=model, **access.model_dump(include=set(Address.model_fields))), caps)


def _check_answered(graded: pl.DataFrame, name: str) -> None:
    failed = graded.filter(pl.col("status") == ResponseStatus.FAILED.value)
    if failed.height == graded.height:
        first = failed["error"].drop_nulls().head(1).to_list()
        raise FactoryError(
            f"benchmark {name}: all {graded.height} requests failed ({first[0] if first else 'no reason given'})",
            do="check the model or endpoint and run the same command again",
        )


def _check_names(benchmarks: list[Benchmark]) -> None:
    names = [benchmark.name for benchmark in benchmarks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"two benchmarks are called {', '.join(twice)}", do="rename one of the files")
