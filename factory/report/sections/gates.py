"""What the gates found: matches with benchmarks and their certificate, near-duplicates and how surely they are found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from factory.numbers import percent
from factory.report.blocks import Block, Note, Section, folded, grid, link, many, shorten
from factory.report.step_folders import RunTables, StepFolder, ordered
from factory.report.words import reason_words, step_words

SHOWN = 12
_SPAN = 220


def gates(run: RunTables) -> Section | None:
    """Contamination and near-duplicates: a line per step, the evidence behind a fold."""
    folders = [*_steps(run, "decontaminate"), *_steps(run, "dedup")]
    if not folders:
        return None
    rows: list[tuple[Any, ...]] = []
    notes: list[Block] = []
    folds: list[Block] = []
    for folder in folders:
        came, left = folder.manifest["rows_in"], folder.manifest["rows_out"]
        name, lost = step_words(folder.name), came - left
        said = _audit(folder.totals)
        if _checks(folder):
            proof = certificate(folder)
            said = _checked(proof or {})
            if proof is not None and proof.get("benchmarks") == []:
                notes.append(
                    Note(f"{name}: the recipe names no benchmark, so nothing was checked.", warning=True)
                )
        rows.append((name, came, lost, percent(lost, came), said))
        folds += _folds(name, folder)
    table = grid(("step", "rows", "dropped", "share", "compared with"), rows)
    names = ", ".join(folder.name for folder in folders)
    return Section("gates", "Contamination and duplicates", names, (table, *notes, *folds))


def certificate(folder: StepFolder) -> dict[str, Any] | None:
    """The certificate of a decontamination step; None for other steps."""
    found = folder.totals.get("certificate")
    return found if isinstance(found, dict) else None


def _checks(folder: StepFolder) -> bool:
    return "decontaminate" in str(folder.manifest.get("step", ""))


def _folds(name: str, folder: StepFolder) -> Iterator[Block]:
    dropped = _dropped(folder)
    if _checks(folder):
        by = Counter(str(_find(e, "benchmark", "index", "source") or reason) for _, reason, _, e in dropped)
        yield from folded(f"{name}: dropped by benchmark", ("benchmark", "rows dropped"), by.most_common())
        yield from _found(name, certificate(folder) or {})
    yield from _evidence(name, dropped)


def _checked(proof: dict[str, Any]) -> str:
    benchmarks = [each for each in proof.get("benchmarks") or [] if isinstance(each, dict)]
    if not benchmarks:
        return ""
    rows = sum(each["rows"] for each in benchmarks if isinstance(each.get("rows"), int))
    digest = f"; certificate {str(proof['digest'])[:16]}" if proof.get("digest") else ""
    return f"{rows:,} rows of {many(len(benchmarks), 'benchmarks')}{digest}"


def _found(name: str, proof: dict[str, Any]) -> tuple[Block, ...]:
    """Every benchmark with its rows and what of the step's rows resembles one of them."""
    found = proof.get("rows_found")
    tiers = found if isinstance(found, dict) else {}
    rows = []
    for each in proof.get("benchmarks") or []:
        if isinstance(each, dict):
            of = tiers.get(each.get("name"))
            said = (
                ", ".join(f"{count:,} {tier}" for tier, count in of.items()) if isinstance(of, dict) else ""
            )
            rows.append((each.get("name"), each.get("rows"), said))
    rows.sort(key=lambda row: not row[2])
    title = f"{name}: benchmarks and what resembles them"
    return folded(title, ("benchmark", "rows", "found"), rows)


def _audit(totals: dict[str, Any]) -> str:
    """How surely near-duplicates are found, from an audit by brute force over a sample."""
    inner = totals.get("audit")
    audit: dict[str, Any] = inner if isinstance(inner, dict) else totals
    figures = [audit.get(name) for name in ("audit_rows", "audit_pairs", "audit_found", "threshold")]
    numbers = [each for each in figures if isinstance(each, int | float)]
    if len(numbers) < len(figures):
        return ""
    rows, pairs, found, threshold = numbers
    if not pairs:
        return f"{rows:,} rows with one another exactly: no pair above a similarity of {threshold:g}"
    return (
        f"{rows:,} rows with one another exactly: {pairs:,} pairs above a similarity of {threshold:g}; "
        f"the index had {found:,} of them ({percent(found, pairs)})"
    )


def _steps(run: RunTables, word: str) -> list[StepFolder]:
    return [
        each
        for each in ordered(run)
        if word in str(each.manifest.get("step", ""))
        and all(isinstance(each.manifest.get(name), int) for name in ("rows_in", "rows_out"))
    ]


def _dropped(folder: StepFolder) -> list[tuple[str, str, str | None, Any]]:
    """Row id, reason, detail and evidence of every dropped row."""
    rows = folder.dropped_rows(["row_id", "reason", "detail", "evidence"]).iter_rows()
    return [(row_id, str(reason), detail, _json(evidence)) for row_id, reason, detail, evidence in rows]


def _evidence(name: str, dropped: list[tuple[str, str, str | None, Any]]) -> tuple[Block, ...]:
    rows = [
        (link(row_id), reason_words(reason), _said(detail, evidence))
        for row_id, reason, detail, evidence in dropped[:SHOWN]
    ]
    return folded(
        f"{name}: evidence of {len(rows)} of {len(dropped):,} dropped rows",
        ("row", "reason", "evidence"),
        rows,
    )


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shorten(text, _SPAN)


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _find(value: Any, *names: str) -> Any:
    if isinstance(value, dict):
        return next((value[name] for name in names if value.get(name)), None)
    return None


def _said(detail: str | None, evidence: Any) -> str:
    facts = evidence.items() if isinstance(evidence, dict) else ()
    listed = "; ".join(
        f"{name.replace('_', ' ')}: {_cell(value)}" for name, value in facts if value is not None
    )
    return " — ".join(part for part in (detail, listed) if part)
