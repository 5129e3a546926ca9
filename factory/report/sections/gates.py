"""What the gates found: contamination with its evidence and certificate, near-duplicates with their audit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from factory.report.blocks import Block, Note, Section, grid, percent, shorten
from factory.report.step_folders import RunTables, StepFolder

_SHOWN = 12
_SPAN = 220


def contamination(run: RunTables) -> Section | None:
    """Certificate of every decontamination step and what it dropped, with the matched benchmark rows."""
    blocks: list[Block] = []
    names = []
    for folder in _steps(run, "decontaminate"):
        names.append(folder.name)
        blocks.append(_books(folder))
        dropped = folder.dropped_rows(["row_id", "reason", "detail", "evidence"])
        evidence = [
            (row["row_id"], row["reason"], row["detail"], _json(row["evidence"]))
            for row in dropped.iter_rows(named=True)
        ]
        by = Counter(str(_find(e, "benchmark", "index", "source") or reason) for _, reason, _, e in evidence)
        if by:
            blocks.append(
                grid(("benchmark", "rows dropped"), by.most_common(), f"{folder.name}: dropped by benchmark")
            )
            blocks.append(
                grid(
                    ("row", "reason", "evidence"),
                    [(i, reason, _evidence(detail, e)) for i, reason, detail, e in evidence[:_SHOWN]],
                    f"{folder.name}: evidence of the first {min(_SHOWN, len(evidence))} of {len(evidence):,} dropped rows",
                    folded=True,
                )
            )
        if _find(folder.totals, "certificate") and not folder.totals["certificate"].get("benchmarks", True):
            blocks.append(
                Note(f"{folder.name}: the recipe names no benchmark, so nothing was checked.", warning=True)
            )
        blocks += _totals(folder, "certificate")
    if not blocks:
        return None
    return Section("contamination", "Contamination", ", ".join(names), tuple(blocks))


def duplicates(run: RunTables) -> Section | None:
    """Audit of every deduplication step and examples of what was taken for a duplicate."""
    blocks: list[Block] = []
    names = []
    for folder in _steps(run, "dedup"):
        names.append(folder.name)
        blocks.append(_books(folder))
        blocks += _totals(folder, "audit")
        dropped = folder.dropped_rows(["row_id", "reason", "detail", "evidence"]).head(_SHOWN)
        if dropped.height:
            blocks.append(
                grid(
                    ("row", "reason", "evidence"),
                    [
                        (i, reason, _evidence(detail, _json(e)))
                        for i, reason, detail, e in dropped.iter_rows()
                    ],
                    f"{folder.name}: first {dropped.height} dropped rows",
                    folded=True,
                )
            )
    if not blocks:
        return None
    return Section("duplicates", "Near-duplicates", ", ".join(names), tuple(blocks))


def facts_grids(name: str, value: Any, *, folded: bool = True) -> list[Block]:
    """Nested facts of a manifest as tables: scalars as key and value, lists of records as their own tables."""
    scalars: list[tuple[str, Any]] = []
    blocks: list[Block] = []
    for key, found in _flat("", value):
        if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
            columns = list(dict.fromkeys(k for row in found for k in row))
            rows = [tuple(_cell(row.get(k)) for k in columns) for row in found[:50]]
            more = f" (first 50 of {len(found):,})" if len(found) > 50 else ""
            blocks.append(
                grid(
                    [c.replace("_", " ") for c in columns],
                    rows,
                    f"{name}: {key.replace('_', ' ')}{more}",
                    folded=folded,
                )
            )
        else:
            scalars.append((key.replace("_", " "), _cell(found)))
    if scalars:
        blocks.insert(0, grid(("fact", "value"), scalars, name, folded=folded and len(scalars) > 8))
    return blocks


def _steps(run: RunTables, word: str) -> Iterator[StepFolder]:
    for folder in run.folders.values():
        if word in str(folder.manifest.get("step", "")) and "rows_in" in folder.manifest:
            yield folder


def _books(folder: StepFolder) -> Note:
    m = folder.manifest
    dropped = m["rows_in"] - m["rows_out"]
    return Note(
        f"{folder.name}: {dropped:,} of {m['rows_in']:,} rows dropped ({percent(dropped, m['rows_in'])}), "
        f"{m['rows_out']:,} kept."
    )


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


def _evidence(detail: str | None, value: Any) -> str:
    facts = (
        "; ".join(f"{k}: {_cell(v)}" for k, v in value.items() if v is not None)
        if isinstance(value, dict)
        else ""
    )
    return " — ".join(part for part in (detail, facts) if part)
