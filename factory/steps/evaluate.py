"""Step `evaluate`: a model on every benchmark of the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest, write_json
from factory.config.evaluation import EvaluationSection
from factory.config.verify import VerifySection
from factory.errors import FactoryError, UsageError
from factory.evaluation.benchmarks import Benchmark, load_benchmark
from factory.evaluation.evaluate import PROMPT, evaluate
from factory.evaluation.summary import summarise
from factory.run.parts import finished, input_digest, read_parts
from factory.run.writer import StepWriter, step_key
from factory.sampling import open_sampler
from factory.sampling.sampler import Sampler
from schemas import VERDICT, ResponseStatus

STEP = "evaluate"
_SAMPLING = ("samples", "temperature", "top_p", "max_tokens", "limit")


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
    prompt: str = PROMPT,
    system: str | None = None,
    base_url: str | None = None,
    model_id: str | None = None,
    api_key_env: str | None = None,
) -> dict[str, Any]:
    """Evaluate a model and write graded responses a benchmark and `summary.json`.

    Args:
        model: a checkpoint folder, or a sampler preset.
        out: folder; every benchmark gets its own below it (VERDICT parts).
        section: benchmarks and sampling.
        verify: how answers are checked.
        held_out: folder of the run's held-out problems, for benchmark `held_out`.
        store: the response store.
        seed: of the samples and of drawn questions.
        stage: name of the stage, for the summary.
        prompt: prompt with `{problem}`.
        system: system message.
        base_url: endpoint, for a preset.
        model_id: model at that endpoint.
        api_key_env: environment variable with its key.

    Returns:
        The summary: stage, model, revision, sampling, benchmarks (name to figures, see `summarise`); and `made`, the
        benchmarks that were not up to date.

    Raises:
        UsageError: the model or a benchmark does not exist, or two benchmarks have one name.
        FactoryError: not one request was answered.
    """
    local = Path(model).is_dir()
    if not local and ("/" in model or model.startswith(".")):
        raise UsageError(
            f"{model} is no folder and no sampler preset", do="give a checkpoint folder or a preset"
        )
    benchmarks = [
        load_benchmark(b, held_out=held_out, limit=section.limit, seed=seed) for b in section.benchmarks
    ]
    _check_names(benchmarks)
    settings = {
        "sampling": section.model_dump(mode="json", include=set(_SAMPLING)),
        "verify": verify.model_dump(mode="json", exclude={"workers"}),
        "seed": seed,
        "prompt": prompt,
        "system": system,
        "model": "checkpoint" if local else [model, model_id, base_url],
    }
    source = {"model": input_digest(Path(model))} if local else {}
    sampler: Sampler | None = None
    figures: dict[str, Any] = {}
    made: list[str] = []
    for benchmark in benchmarks:
        folder = out / benchmark.name
        inputs = {"questions": digest(benchmark.questions.to_dicts()), **source}
        if finished(folder, step_key(STEP, settings, inputs)):
            figures[benchmark.name] = summarise(read_parts(folder))
            continue
        sampler = sampler or _open(model, local, section, base_url, model_id, api_key_env)
        result = evaluate(
            sampler,
            benchmark.questions,
            section,
            verify,
            store=store,
            seed=seed,
            prompt=prompt,
            system=system,
        )
        _check_answered(result.graded, benchmark.name)
        made.append(benchmark.name)
        with StepWriter(folder, STEP, VERDICT, settings=settings, inputs=inputs) as writer:
            writer.keep(result.graded)
            totals = {**_spent(result.graded), "benchmark": benchmark.name, "stage": stage}
            writer.finish(rows_in=result.graded.height, unit="responses", totals=totals)
        figures[benchmark.name] = result.summary
    summary = {
        "stage": stage,
        "model": model if not local else Path(model).name,
        "revision": source.get("model"),
        "sampling": settings["sampling"],
        "benchmarks": figures,
    }
    write_json(out / "summary.json", summary)
    return summary | {"made": made}


def _open(
    model: str,
    local: bool,
    section: EvaluationSection,
    base_url: str | None,
    model_id: str | None,
    api_key_env: str | None,
) -> Sampler:
    if local:
        return open_sampler("student", model=model, batch_size=section.batch_size)
    return open_sampler(model, model=model_id, base_url=base_url, api_key_env=api_key_env)


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


def _spent(graded: pl.DataFrame) -> dict[str, Any]:
    return {
        "prompt_tokens": int(graded["prompt_tokens"].sum() or 0),
        "completion_tokens": int(graded["completion_tokens"].sum() or 0),
        "usd": float(graded["usd"].sum() or 0.0),
    }
