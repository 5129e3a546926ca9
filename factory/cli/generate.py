"""`factory generate`: long chains of thought from a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PositiveInt

from factory.cli.flags import Flag
from factory.cli.params import Engine, Out, Problems, Seed, Store, store_folder
from factory.cli.show import say, show
from factory.config.generate import GenerateSection
from factory.engines.engine import EngineName, open_engine

if TYPE_CHECKING:
    from factory.run.step import StepResult
    from factory.steps.generate import Generated


def command(
    problems: Problems,
    out: Out,
    settings: GenerateSection,
    store: Store = None,
    seed: Seed = 0,
    workers: Annotated[
        PositiveInt | None,
        Flag("Worker processes sharing one budget and one rate limit; one per node by default."),
    ] = None,
    engine: Engine = EngineName.LOCAL,
    dry_run: Annotated[bool, Flag("Show what would be asked and spent; ask nothing.")] = False,
) -> None:
    """Have a teacher answer problems. Run it again to request only what is missing.

    factory generate problems.jsonl --max-usd 20 --out responses
    """
    folder = store_folder(store, out)
    reading: dict[str, Any] = problems.model_dump(include={"problem_field", "answer_field", "limit"})
    if dry_run:
        _dry_run(problems.specs, settings, reading, seed, folder)
        return
    from factory.cli.ending import say_end
    from factory.steps.generate import run_files

    with open_engine(engine, workers) as opened:
        result = run_files(
            problems.specs,
            out,
            settings,
            store=folder,
            seed=seed,
            engine=opened,
            workers=workers,
            **reading,
        )
    _show(result, out, folder)
    say_end(result, out)


def _dry_run(inputs: list[str], section: Any, reading: dict[str, Any], seed: int, store: Path) -> None:
    from factory.steps.generate_preview import preview

    seen = preview(inputs, section, store=store, seed=seed, **reading)
    say(f"{seen.problems:,} problems x {section.samples} samples = {seen.requests + seen.reused:,} responses")
    if section.reuse:
        say(f"there already: {seen.reused:,}; still missing: {seen.requests:,}")
    say(f"already in the store: {seen.stored:,}; to be bought: {seen.requests - seen.stored:,}")
    if seen.worst_usd is not None:
        say(f"at the very most ${seen.worst_usd:,.2f} (every answer as long as --max-tokens)")
    say("first request, as it would be sent:")
    say(*seen.first.split("\n"))


def _show(result: StepResult[Generated], out: Path, store: Path) -> None:
    from factory.run.parts import note_path

    found, manifest = result.summary, result.manifest
    total = sum(found.statuses.values()) or 1
    rows = [
        (name, f"{count:,}", f"{count / total:.1%}")
        for name, count in sorted(found.statuses.items(), key=lambda item: -item[1])
    ]
    rows += [
        (f"input dropped: {reason}", f"{count:,}", "")
        for reason, count in manifest["dropped"].items()
        if reason != "failed"
    ]
    show(f"responses in {out}", ("status", ">responses", ">share"), rows)
    usd = f", ${found.usd:,.4f}" if found.usd else ""
    say(
        f"{found.model} ({found.teacher}): {found.prompt_tokens:,} prompt and "
        f"{found.completion_tokens:,} completion tokens{usd}; store {store}"
    )
    if found.reused is not None:
        from factory.cli.summary import spared_line

        say(spared_line(found.reused, found.spared, found.usd_spared))
    if found.accepted is not None:
        say(f"{found.accepted:,} verified correct of {found.candidates:,} asked for")
    if saved := found.loop_tokens_saved:
        say(f"loops were stopped early, saving {saved:,} tokens")
    for alarm in found.alarms:
        say(f"alarm: {alarm}", style="bold")
    estimate = note_path(out, "_estimate.json")
    if estimate.exists():
        from factory.atomic import read_json
        from factory.steps.estimate import compare

        for line in compare(read_json(estimate), manifest["totals"]):
            say(f"estimate of {line}")
    if failed := manifest["dropped"].get("failed"):
        say(f"{failed:,} requests failed (see {out}/__dropped); run it again to retry them")
