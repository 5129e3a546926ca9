"""`factory verify`: check answers against the gold answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from factory.cli.flags import Flag
from factory.cli.params import Engine, Out
from factory.cli.show import counts, say, show
from factory.config.verify import VerifySection
from factory.engines.engine import EngineName, open_engine

if TYPE_CHECKING:
    from factory.run.step import StepResult
    from factory.steps.verify import Verified


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

    Input that has verdicts already is verified again, and what changed is shown. With --checker a function of your own
    decides (docs/own-functions.md).

        factory verify responses/ --out verdicts
    """
    from factory.cli.ending import say_end
    from factory.steps import verify

    with open_engine(engine, settings.workers) as opened:
        result = verify.run(inputs, out, settings, engine=opened)
    _show(result, out)
    say_end(result, out)


def _show(result: StepResult[Verified], out: Path) -> None:
    from factory.functions.tries import Tries
    from factory.run.parts import side_path
    from factory.steps.verify import AUDIT

    found = result.summary
    total = sum(found.verdicts.values()) or 1
    rows = [
        (name, f"{count:,}", f"{count / total:.1%}")
        for name, count in sorted(found.verdicts.items(), key=lambda item: -item[1])
    ]
    rows += [(f"dropped: {reason}", f"{count:,}", "") for reason, count in result.manifest["dropped"].items()]
    show(f"verdicts in {out}", ("verdict", ">responses", ">share"), rows)
    if (correct := found.verdicts.get("correct", 0)) and (usd := _paid(out)):
        from factory.sampling.session import per_row

        say(f"accept rate {correct / total:.1%}; {per_row(usd, correct)} per correct row")
    if found.judge:
        say(f"judge: {counts(found.judge)}; {found.usd or 0:.4f} dollars")
    if found.false_negative_rate is not None:
        say(
            f"by its word the rules missed {found.false_negative_rate:.1%} of the right answers (false negatives)"
        )
    if found.own and found.own["failed"]:
        say(f"your checker {Tries(**found.own).said()}; these rows are unverifiable or timeout")
    if found.gold_flags:
        say(f"doubtful golds ({side_path(out, AUDIT)}): {counts(found.gold_flags)}")
    if flips := found.flips:
        changed = sum(flips["counts"].values())
        say(
            f"against former verdicts: {changed:,} of {flips['compared']:,} changed. {counts(flips['counts'])}"
        )
        heads = ("id", "was", "now", "gold", "answer", "why")
        if flips["examples"]:
            show("", heads, [[row[name] or "" for name in heads] for row in flips["examples"]])


def _paid(out: Path) -> float:
    """What the responses cost, as far as their rows say."""
    import polars as pl

    rows = pl.scan_parquet(out / "*.parquet")
    return float(rows.select(pl.col("usd").sum()).collect().item()) if "usd" in rows.collect_schema() else 0.0
