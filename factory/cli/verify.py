"""`factory verify`: check answers against the gold answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from factory.cli.flags import Flag
from factory.cli.params import Engine, Out
from factory.cli.show import counts, say, show
from factory.config.verify import VerifySection
from factory.engines.engine import EngineName, open_engine


def command(
    inputs: Annotated[
        list[str],
        Flag(
            "Files, folders or globs with a gold (`answer`, `gold`) and a response.",
            words=True,
            metavar="IN...",
        ),
    ],
    out: Out,
    settings: VerifySection,
    engine: Engine = EngineName.LOCAL,
) -> None:
    """Add a verdict to every response: correct, incorrect, unverifiable, no_answer or timeout.

    Input that has verdicts already is verified again, and what changed is shown.

        factory verify responses/ --out verdicts
    """
    from factory.steps import verify

    with open_engine(engine, settings.workers) as opened:
        manifest, fresh = verify.run_files(inputs, out, settings, engine=opened)
    if not fresh:
        say(f"{out} is up to date, nothing to do")
    _show(manifest, out)


def _show(manifest: dict[str, Any], out: Path) -> None:
    totals = manifest["totals"]
    total = sum(totals["verdicts"].values()) or 1
    rows = [
        (name, f"{count:,}", f"{count / total:.1%}")
        for name, count in sorted(totals["verdicts"].items(), key=lambda item: -item[1])
    ]
    rows += [(f"dropped: {reason}", f"{count:,}", "") for reason, count in manifest["dropped"].items()]
    show(f"verdicts in {out}", ("verdict", ">responses", ">share"), rows)
    if totals.get("judge"):
        say(f"judge: {counts(totals['judge'])}; {totals['usd']:.4f} dollars")
    if totals.get("gold_flags"):
        say(f"doubtful golds ({out / 'gold_audit.parquet'}): {counts(totals['gold_flags'])}")
    if flips := totals.get("flips"):
        changed = sum(flips["counts"].values())
        say(
            f"against former verdicts: {changed:,} of {flips['compared']:,} changed. {counts(flips['counts'])}"
        )
        heads = ("id", "was", "now", "gold", "answer", "why")
        if flips["examples"]:
            show("", heads, [[row[name] or "" for name in heads] for row in flips["examples"]])
