"""`factory eval`: pass@1 with intervals, on any benchmark, through any sampler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import PositiveInt

from factory.cli.flags import Flag, Use
from factory.cli.params import Seed, Store, store_folder
from factory.cli.show import say, show
from factory.config.endpoint import Access, Budget
from factory.config.evaluation import EvaluationSection
from factory.config.prompt import Messages
from factory.config.verify import VerifySection

if TYPE_CHECKING:
    from factory.steps.evaluate import Evaluated


def command(
    checkpoint: Annotated[str, Flag("Checkpoint folder, or a sampler preset.", words=True, metavar="MODEL")],
    out: Annotated[Path, Flag("Folder for graded responses and summary.json.")],
    settings: Annotated[EvaluationSection, Use(skip=("stages",), names={"benchmarks": "benchmark"})],
    access: Access,
    caps: Budget,
    protocol: Annotated[str, Flag("Sampling preset: paper (K=3) or paper-64.")] = "paper",
    prompt: Annotated[
        Messages | None, Flag("Prompt with {problem} in it, or a YAML file of messages.")
    ] = None,
    system: Annotated[str | None, Flag("System message.")] = None,
    store: Store = None,
    seed: Seed = 0,
    workers: Annotated[PositiveInt | None, Flag("Checker processes; one per core by default.")] = None,
    against: Annotated[
        Path | None, Flag("An earlier --out folder: print paired deltas with 95% intervals.")
    ] = None,
) -> None:
    """Evaluate a model: pass@1 with question-clustered intervals, pass@k, majority@k, truncation, length.

    factory eval checkpoint/ --benchmark aime24 math500 --out eval
    """
    from factory.errors import UsageError
    from factory.evaluation import PROTOCOLS
    from factory.evaluation.evaluate import PROMPT
    from factory.pipeline.checks import need
    from factory.steps import evaluate

    need("eval", "stats", "scipy")
    if "benchmarks" not in settings.model_fields_set:
        raise UsageError("--benchmark is missing", do="factory eval --help")
    if protocol not in PROTOCOLS:
        raise UsageError(f"--protocol: no protocol {protocol}", do=f"known: {', '.join(PROTOCOLS)}")
    preset = {
        name: getattr(PROTOCOLS[protocol], name) for name in ("samples", "temperature", "top_p", "max_tokens")
    }
    given = settings.model_dump(include=settings.model_fields_set)
    found = evaluate.run(
        checkpoint,
        out,
        EvaluationSection(**preset | given),
        VerifySection(workers=workers),
        held_out=None,
        store=store_folder(store, out),
        seed=seed,
        stage="eval",
        prompt=prompt or PROMPT,
        system=system,
        access=access,
        caps=caps,
    )
    _show(found, out)
    if against is not None:
        _show_deltas(out, against, list(found.benchmarks), seed)


def _show(found: Evaluated, out: Path) -> None:
    from factory.evaluation.summary import corrected

    rows = []
    for name, figures in found.benchmarks.items():
        row = corrected(figures)
        raw = f" (raw {figures['pass_at_1']:.1%})" if row is not figures else ""
        scored = row["pass_at_1"] is not None
        rows.append(
            (
                name,
                f"{row['questions']:,}",
                f"{row['pass_at_1']:.1%}{raw}" if scored else "-",
                f"{row['low']:.1%}-{row['high']:.1%}" if scored else "-",
                _last(row["pass_at_k"]),
                _last(row["majority_at_k"]),
                f"{row['truncated_share']:.1%}",
                f"{row['tokens_mean']:,.0f}" if row["tokens_mean"] is not None else "-",
            )
        )
    heads = ("benchmark", ">asked", ">pass@1", ">95%", ">pass@k", ">majority", ">truncated", ">tokens")
    show(f"evaluation in {out}", heads, rows)
    for name, row in found.benchmarks.items():
        if row["unscored"]:
            say(
                f"{name}: {row['unscored']:,} of {row['samples']:,} responses could not be scored and do not count"
            )
    if not found.made:
        say(f"{out} is up to date, nothing to do")
    for name in found.benchmarks:
        say(f'load it: polars.read_parquet("{out}/{name}/*.parquet")')
    say(f"next:    factory view {out}")


def _last(shares: dict[str, float]) -> str:
    if not shares:
        return "-"
    k = max(shares, key=int)
    return f"@{k} {shares[k]:.1%}"


def _show_deltas(out: Path, against: Path, names: list[str], seed: int) -> None:
    from factory.evaluation import paired_delta
    from factory.evaluation.stages import graded_columns

    for name in names:
        if not (against / name).is_dir():
            say(f"{name}: {against} has no evaluation of it")
            continue
        delta = paired_delta(graded_columns(against / name), graded_columns(out / name), seed=seed)
        say(
            f"{name}: {delta.delta:+.1%} ({delta.low:+.1%} to {delta.high:+.1%}) on {delta.questions} questions, "
            f"{delta.better} better, {delta.worse} worse"
            + (f"; {delta.dropped} scored on one side only and left out" if delta.dropped else "")
        )
