"""`factory decontaminate`: drop benchmark problems from training data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import NonNegativeInt

from factory.cli.flags import Flag, Use
from factory.cli.params import Engine, Inputs, Out
from factory.cli.show import say, show
from factory.config.decontamination import DecontaminationSection
from factory.engines.engine import EngineName, open_engine
from factory.errors import UsageError

NAMES = {"embedding.threshold": "embedding-threshold threshold", "embedding.judge": "judge"}


def command(
    inputs: Inputs,
    out: Out,
    settings: Annotated[DecontaminationSection, Use(names=NAMES)],
    field: Annotated[list[str], Flag("Column to look in; repeat for more.")] = ["problem"],  # noqa: B006
    review: Annotated[
        NonNegativeInt,
        Flag("Review the N most borderline hits one by one; without a terminal they are only printed."),
    ] = 0,
    compare: Annotated[
        Path | None,
        Flag("Folder of a run of the same files with other settings: print the rows decided differently."),
    ] = None,
    engine: Engine = EngineName.LOCAL,
) -> None:
    """Drop the rows that hold a benchmark problem, each with benchmark, tier, score and matched span.

    factory decontaminate problems.jsonl --against aime24 math500 --out clean
    """
    from factory.cli.ending import say_end
    from factory.cli.review_hits import review_hits
    from factory.run.parts import side_path
    from factory.steps import decontaminate

    if not settings.against:
        raise UsageError(
            "--against is missing", do="name a benchmark, `paper` or `all`; factory benchmarks lists them"
        )
    decisions = Path(settings.decisions or side_path(out, "decisions.jsonl"))
    settings = settings.model_copy(update={"decisions": str(decisions)})
    with open_engine(engine) as opened:
        result = decontaminate.run(inputs, out, settings, fields=field, engine=opened)
    _report(result.manifest, out)
    if review:
        review_hits(decontaminate.borderline_hits(out, settings), review, decisions)
    if compare is not None:
        _compare(decontaminate.differences(out, compare))
    say_end(result, out)


def _report(manifest: dict[str, Any], out: Path) -> None:
    from factory.decontamination.certificate import MARKDOWN
    from factory.run.parts import side_path

    certificate = manifest["totals"]["certificate"]
    tiers = sorted({tier for found in certificate["rows_found"].values() for tier in found})
    rows = [
        (name, *(f"{found[tier]:,}" if tier in found else "-" for tier in tiers))
        for name, found in certificate["rows_found"].items()
    ]
    if rows:
        show(f"rows of {out} by benchmark and tier", ("benchmark", *(f">{tier}" for tier in tiers)), rows)
    say(
        f"{manifest['rows_in']:,} rows against {len(certificate['benchmarks'])} benchmarks: "
        f"{manifest['rows_out']:,} kept, {manifest['rows_dropped']:,} dropped"
    )
    if control := certificate.get("temporal_control"):
        newer = ", ".join(control["newer"]) or "no dated benchmark"
        say(
            f"newer than the sources ({control['sources_until']}): {newer}; {control['rows_dropped']:,} rows dropped for them"
        )
    say(f"certificate {certificate['digest'][:12]}: {side_path(out, MARKDOWN)}")


def _compare(differences: Any) -> None:
    """Which rows this run and another drop, and why."""
    only = {side: differences.filter(differences["dropped_by"] == side).height for side in ("this", "other")}
    say(f"dropped here only: {only['this']:,} rows; dropped by the other run only: {only['other']:,}")
    rows = [
        (
            hit["row"] + 1,
            hit["dropped_by"],
            hit["tier"],
            f"{hit['score']:.3f}",
            f"{hit['benchmark']} {hit['benchmark_id']}",
            hit["span"],
        )
        for hit in differences.head(50).iter_rows(named=True)
    ]
    if rows:
        show("", (">row", "dropped by", "tier", ">score", "benchmark", "matched span"), rows)
