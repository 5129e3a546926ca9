"""What the gates found: contamination with its evidence and certificate, near-duplicates with their audit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from factory.numbers import percent
from factory.report.blocks import Block, Note, Section, grid, shorten
from factory.report.step_folders import RunTables, StepFolder

_SHOWN = 12
_SPAN = 220


def contamination(run: RunTables) -> Section | None:
    """Certificate of every decontamination step and what it dropped, with the matched benchmark rows."""
    blocks: list[Block] = []
    folders = _steps(run, "decontaminate")
    for folder in folders:
        dropped = _dropped(folder)
        blocks.append(_counts(folder))
        by = Counter(str(_find(e, "benchmark", "index", "source") or reason) for _, reason, _, e in dropped)
        if by:
            caption = f"{folder.name}: dropped by benchmark"
            blocks.append(grid(("benchmark", "rows dropped"), by.most_common(), caption))
        blocks += _evidence(folder, dropped)
        if not folder.totals.get("certificate", {}).get("benchmarks", True):
            said = f"{folder.name}: the recipe names no benchmark, so nothing was checked."
            blocks.append(Note(said, warning=True))
        blocks += _totals(folder, "certificate")
    names = ", ".join(folder.name for folder in folders)
    return Section("contamination", "Contamination", names, tuple(blocks)) if blocks else None


def duplicates(run: RunTables) -> Section | None:
    """Audit of every deduplication step and examples of what was taken for a duplicate."""
    blocks: list[Block] = []
    folders = _steps(run, "dedup")
    for folder in folders:
        blocks += [_counts(folder), *_totals(folder, "audit"), *_evidence(folder, _dropped(folder))]
    names = ", ".join(folder.name for folder in folders)
    return Section("duplicates", "Near-duplicates", names, tuple(blocks)) if blocks else None


def facts_grids(name: str, value: Any, *, folded: bool = True) -> list[Block]:
    """Nested facts of a manifest as tables: scalars as key and value, lists of records as their own tables."""
    scalars: list[tuple[str, Any]] = []
    blocks: list[Block] = []
    for key, found in _flat("", value):
        if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
            columns = list(dict.fromkeys(k for row in found for k in row))
            rows = [tuple(_cell(row.get(k)) for k in columns) for row in found[:50]]
            more = f" (first 50 of {len(found):,})" if len(found) > 50 else ""
            caption = f"{name}: {key.replace('_', ' ')}{more}"
            blocks.append(grid([c.replace("_", " ") for c in columns], rows, caption, folded=folded))
        else:
            scalars.append((key.replace("_", " "), _cell(found)))
    if scalars:
        blocks.insert(0, grid(("fact", "value"), scalars, name, folded=folded and len(scalars) > 8))
    return blocks


def _steps(run: RunTables, word: str) -> list[StepFolder]:
    steps = run.folders.values()
    return [
        each for each in steps if word in str(each.manifest.get("step", "")) and "rows_in" in each.manifest
    ]


def _counts(folder: StepFolder) -> Note:
    came, left = folder.manifest["rows_in"], folder.manifest["rows_out"]
    share = percent(came - left, came)
    return Note(f"{folder.name}: {came - left:,} of {came:,} rows dropped ({share}), {left:,} kept.")


def _dropped(folder: StepFolder) -> list[tuple[str, str, str | None, Any]]:
    """Row id, reason, detail and evidence of every dropped row."""
    rows = folder.dropped_rows(["row_id", "reason", "detail", "evidence"]).iter_rows()
    return [(row_id, reason, detail, _json(evidence)) for row_id, reason, detail, evidence in rows]


def _evidence(folder: StepFolder, dropped: list[tuple[str, str, str | None, Any]]) -> list[Block]:
    shown = dropped[:_SHOWN]
    rows = [(row_id, reason, _said(detail, evidence)) for row_id, reason, detail, evidence in shown]
    caption = f"{folder.name}: evidence of the first {len(shown)} of {len(dropped):,} dropped rows"
    return [grid(("row", "reason", "evidence"), rows, caption, folded=True)] if rows else []


def _totals(folder: StepFolder, key: str) -> list[Block]:
    found = folder.totals.get(key, folder.totals)
    return facts_grids(f"{folder.name}: {key}", found) if found else []


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{prefix} · {key}" if prefix else str(key), inner)
    else:
        yield prefix, value


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return shorten(value, _SPAN)
    if isinstance(value, list | dict):
        return shorten(json.dumps(value, ensure_ascii=False, default=str), _SPAN)
    return value


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
    listed = "; ".join(f"{name}: {_cell(value)}" for name, value in facts if value is not None)
    return " — ".join(part for part in (detail, listed) if part)
