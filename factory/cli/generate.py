"""`factory generate`: long chains of thought from a teacher."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import NonNegativeInt, PositiveInt

from factory.cli.flags import Flag
from factory.cli.params import Engine, Seed, Store, store_folder
from factory.cli.show import say, show
from factory.config.generate import GenerateSection
from factory.config.problems import ProblemsSection
from factory.engines.engine import EngineName, open_engine
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.run.step import StepResult
    from factory.steps.generate import Generated


def _said(field: str) -> Flag:
    return Flag(ProblemsSection.model_fields[field].description or "")


def command(
    settings: GenerateSection,
    inputs: Annotated[
        list[str],
        Flag(
            "Problems: files, folders, globs, hf://, procedural: and reasoning_gym: sources. By default the clean ones of the "
            "newest run, else those of the recipe in this folder.",
            words=True,
            metavar="[IN...]",
        ),
    ] = [],  # noqa: B006 - read only
    out: Annotated[
        Path | None, Flag("Folder to write; without IN it is responses-TEACHER by default.")
    ] = None,
    problem_field: Annotated[str, _said("problem_field")] = "problem",
    answer_field: Annotated[str, _said("answer_field")] = "answer",
    limit: Annotated[PositiveInt | None, _said("limit")] = None,
    store: Store = None,
    seed: Seed = 0,
    workers: Annotated[
        PositiveInt | None,
        Flag("Worker processes sharing one budget and one rate limit; one per node by default."),
    ] = None,
    engine: Engine = EngineName.LOCAL,
    dry_run: Annotated[bool, Flag("Show what would be asked and spent; ask nothing.")] = False,
    preview: Annotated[
        NonNegativeInt, Flag("Ask N problems once, show what came back, and forecast the job; then stop.")
    ] = 0,
) -> None:
    """Have a teacher answer problems. Run it again to request only what is missing.

    factory generate problems.jsonl --max-usd 20 --out responses
    """
    if not settings.samples:
        raise UsageError("--samples: 0 requests nothing", do="ask for one response per problem or more")
    if inputs and out is None:
        raise UsageError("--out is missing", do="factory generate --help")
    out = out or Path(f"responses-{settings.teacher}")
    folder = store_folder(store, out)
    reading: dict[str, Any] = {"problem_field": problem_field, "answer_field": answer_field, "limit": limit}
    with TemporaryDirectory() if dry_run else nullcontext(out / "__read") as scratch:
        if not inputs:
            from factory.pipeline.at_hand import problems_at_hand

            found = problems_at_hand(Path(scratch), seed=seed)
            say(f"taking {found.said}; responses go to {out}")
            inputs = [str(found.problems)]
            settings = settings.model_copy(update={"reuse": [*settings.reuse, *found.responses]})
            _dry_run(inputs, settings, reading, seed, folder, request=dry_run)
        elif dry_run:
            _dry_run(inputs, settings, reading, seed, folder)
        if preview and not dry_run:
            _preview(inputs, out, settings, reading, folder, seed, preview)
        elif not dry_run:
            _generate(inputs, out, settings, reading, folder, seed, engine, workers)


def _generate(
    inputs: list[str],
    out: Path,
    settings: GenerateSection,
    reading: dict[str, Any],
    folder: Path,
    seed: int,
    engine: EngineName,
    workers: int | None,
) -> None:
    from factory.cli.ending import say_end
    from factory.steps.generate import run_files

    with open_engine(engine, workers) as opened:
        result = run_files(
            inputs,
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


def _preview(
    inputs: list[str],
    out: Path,
    settings: GenerateSection,
    reading: dict[str, Any],
    folder: Path,
    seed: int,
    count: int,
) -> None:
    """Show some answers in full length but for the middle of their reasoning, and what the whole job will cost."""
    from factory.cli.estimate import show_estimate
    from factory.steps.estimate import run

    found, answers = run(inputs, out, settings, store=folder, seed=seed, pilot=count, **reading)
    for row in answers.iter_rows(named=True):
        say("", f"{row['problem_id']}", style="bold")
        for message in row["messages"]:
            say(*f"{message['role']}: {message['content']}".split("\n"))
        tokens = f"{row['completion_tokens'] or 0:,} tokens" + (f", ${row['usd']:.4f}" if row["usd"] else "")
        say("reasoning:", *_middle_out(row["reasoning"] or "(none)"), f"answer: {row['content'] or '(none)'}")
        verdict = (
            f"{row['verdict']} (gold {row['answer']})" if row.get("verdict") else "no gold to check with"
        )
        say(f"{verdict}; {row['status']}; {tokens}")
    say("")
    show_estimate(found)


def _middle_out(text: str, lines: int = 6) -> list[str]:
    """The first and the last lines of a text."""
    found = text.split("\n")
    if len(found) <= 2 * lines + 1:
        return found
    return [*found[:lines], f"... {len(found) - 2 * lines:,} lines ...", *found[-lines:]]


def _dry_run(
    inputs: list[str],
    section: GenerateSection,
    reading: dict[str, Any],
    seed: int,
    store: Path,
    *,
    request: bool = True,
) -> None:
    """Say what a job would ask for and cost, and how its first request would look."""
    from factory.steps.generate_preview import preview

    seen = preview(inputs, section, store=store, seed=seed, **reading)
    say(f"{seen.problems:,} problems x {section.samples} samples = {seen.requests + seen.reused:,} responses")
    if section.reuse:
        say(f"there already: {seen.reused:,}; still missing: {seen.requests:,}")
    say(f"already in the store: {seen.stored:,}; to be bought: {seen.requests - seen.stored:,}")
    if seen.worst_usd is not None:
        say(f"at the very most ${seen.worst_usd:,.2f} (every answer as long as --max-tokens)")
    if request:
        say("first request, as it would be sent:", *seen.first.split("\n"))


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
    if result.made and (session := manifest.get("session")):
        from factory.sampling.session import session_lines

        policy = manifest["settings"].get("truncation", "keep")
        say(*session_lines(session, accepted=found.accepted, of=found.candidates, policy=policy))
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
        say(f"{failed:,} requests failed on every attempt: {out}/__dropped")
