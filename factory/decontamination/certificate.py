"""The certificate: what was checked against what, how, what was found, and how well the rules find what they should.

It is part of the step's manifest; `certificate.json` and `CERTIFICATE.md` hold it for readers outside.
"""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl

import factory
from factory.atomic import read_json
from factory.config.decontamination import DecontaminationSection, EmbeddingSection
from factory.decontamination.hits import tiers_kept
from factory.decontamination.index import FORMAT, BenchmarkIndex, salt

JSON, MARKDOWN = "certificate.json", "CERTIFICATE.md"
MEASURED = "measured.json"
"""Rows that the rules drop of labelled sets: written by `benchmarks.render` from the benchmark's figures."""
CONTESTS = ((r"aime(\d\d)", "02"), (r"hmmt_feb_20(\d\d)", "02"), (r"gaokao20(\d\d)", "06"))
"""Benchmarks that are named after the year of a contest, and the month in which it is held: AIME II in the first half of
February (Mathematical Association of America), the February tournament of HMMT, gaokao on 7 to 10 June. Texts of before
cannot hold its problems, so what is found in them anyway is chance or an older problem used again."""


def held(benchmark: str) -> str:
    """The month in which a benchmark's contest was held, as YYYY-MM; nothing for other benchmarks."""
    years = ((re.fullmatch(pattern, benchmark), month) for pattern, month in CONTESTS)
    return next((f"20{found[1]}-{month}" for found, month in years if found), "")


def certify(
    index: BenchmarkIndex, settings: DecontaminationSection, rows: int, dropped: int, hits: pl.DataFrame
) -> dict[str, Any]:
    """What was checked against what, how, and what was found: for the manifest and the data card."""
    counts: dict[str, Counter[str]] = {}
    for benchmark, tier, count in (
        hits.group_by("benchmark", "tier").agg(pl.col("row").n_unique()).sort("benchmark", "tier").rows()
    ):
        counts.setdefault(benchmark, Counter())[tier] = count
    return {
        "factory_version": factory.__version__,
        "index_format": FORMAT,
        "salt": salt(),
        "benchmarks": index.facts,
        "coverage": settings.coverage,
        "drop_templates": settings.drop_templates,
        "drop_variants": settings.drop_variants,
        "embedding": _tier_facts(settings.embedding, index) if settings.embedding else None,
        "decisions": dict(hits["decision"].drop_nulls().value_counts().sort("decision").rows()),
        "rows": rows,
        "rows_dropped": dropped,
        "rows_found": {name: dict(tiers) for name, tiers in counts.items()},
        "temporal_control": temporal_control(index, settings, rows, hits),
    }


def temporal_control(
    index: BenchmarkIndex, settings: DecontaminationSection, rows: int, hits: pl.DataFrame
) -> dict[str, Any] | None:
    """Rows dropped for benchmarks newer than the sources: false alarms. None if nobody says how new the sources are."""
    if settings.sources_until is None:
        return None
    names = [benchmark.name for benchmark in index.benchmarks]
    newer = [name for name in names if held(name) > settings.sources_until]
    found = hits.filter(pl.col("drops") & pl.col("benchmark").is_in(newer))["row"].n_unique()
    return {"sources_until": settings.sources_until, "newer": newer, "rows": rows, "rows_dropped": found}


def markdown(certificate: dict[str, Any]) -> str:
    """The certificate as a page."""
    c = certificate
    kept = tiers_kept(templates=c["drop_templates"], variants=c["drop_variants"])
    lines = [
        "# Decontamination certificate",
        "",
        f"{c['rows']:,} rows were checked, {c['rows_dropped']:,} dropped. Digest of this certificate: `{c['digest']}`.",
        "",
        f"Rules: cot-factory {c['factory_version']}, index format {c['index_format']}, salt `{c['salt']}`, coverage "
        f"{c['coverage']}. Reported and not dropped: {', '.join(kept)}.",
        *([f"Embedding tier: {c['embedding']}."] if c["embedding"] else []),
        *([f"Decisions of a person: {c['decisions']}."] if c["decisions"] else []),
        "",
        "## Benchmarks",
        "| benchmark | problems | source | revision | sha256 | rows found by tier |",
        "|---|---|---|---|---|---|",
    ]
    for facts in c["benchmarks"]:
        found = ", ".join(
            f"{tier} {count:,}" for tier, count in c["rows_found"].get(facts["name"], {}).items()
        )
        shown = (facts.get("source", facts.get("file", "")), facts.get("revision", ""), facts["sha256"][:12])
        lines.append(f"| {facts['name']} | {facts['rows']:,} | {' | '.join(shown)} | {found or 'none'} |")
    return "\n".join([*lines, "", *_control(c["temporal_control"]), "", *_measured()]) + "\n"


def _control(control: dict[str, Any] | None) -> list[str]:
    lines = ["## Temporal control"]
    if control is None:
        return [*lines, "Not made: `--sources-until YYYY-MM` says how new the newest text of the sources is."]
    if not control["newer"]:
        return [*lines, f"Not made: no dated benchmark is newer than {control['sources_until']}."]
    return [
        *lines,
        f"The sources end in {control['sources_until']}; {', '.join(control['newer'])} came later. "
        f"Rows dropped for them: {control['rows_dropped']:,} of {control['rows']:,}. Each is a false alarm, or the sources are "
        "newer than stated.",
    ]


def _measured() -> list[str]:
    """How many rows of labelled sets the rules of this version drop."""
    found = read_json(Path(str(resources.files("factory.decontamination"))) / MEASURED)
    return [
        "## Measured",
        f"{found['note']}",
        "",
        "| set | rows | dropped |",
        "|---|---|---|",
        *(f"| {name} | {rows:,} | {dropped:,} |" for name, rows, dropped in found["sets"]),
    ]


def _tier_facts(tier: EmbeddingSection, index: BenchmarkIndex) -> dict[str, Any]:
    """The model, the weights that the vectors are of, the benchmarks that have none, and the judge."""
    held = [b.facts["embedding"]["sha256"] for b in index.benchmarks if b.vectors.size]
    lacking = [b.name for b in index.benchmarks if not b.vectors.size]
    judge = {"judge": tier.judge.preset, "judge_model": tier.judge.model} if tier.judge else {"judge": None}
    vectors = {"sha256": held[0] if held else None, "without_vectors": lacking}
    return {"model": tier.model, "threshold": tier.threshold, **vectors, **judge}
