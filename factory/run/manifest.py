"""Closing the books of a step: the manifest, written last and only if the ledger balances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factory
from factory.atomic import digest, write_json
from factory.errors import FactoryError
from factory.run.parts import MANIFEST
from schemas import TableSchema


def step_key(step: str, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """The identity of a step's output: a finished folder with this key need not be made again."""
    return digest({"step": step, "settings": settings, "inputs": inputs, "factory": factory.__version__})


def close_books(
    out: Path,
    step: str,
    schema: TableSchema | None,
    *,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    unit: str,
    rows_in: int,
    rows_out: int,
    dropped: Mapping[str, int],
    totals: Mapping[str, Any],
    files: Mapping[str, Mapping[str, Any]],
    parts: Iterable[str],
) -> dict[str, Any]:
    """Check the balance and write the manifest.

    Args:
        out: the step's folder; its files are in place.
        step: name in the ledger.
        schema: the table that the parts are of.
        settings: with `inputs`, what makes up the step's key.
        inputs: name to digest.
        unit: what is counted: rows, requests, ...
        rows_in: units that came in; must equal `rows_out` and all of `dropped` together.
        rows_out: rows kept.
        dropped: rows dropped by reason.
        totals: further sums and facts for ledger and report.
        files: `{"sha256", "bytes"}` of every file, by its name in the folder.
        parts: the digest of each kept part's content, in order (`content_digest`).

    Returns:
        The manifest.

    Raises:
        FactoryError: the books do not balance.
    """
    lost = sum(dropped.values())
    if rows_in != rows_out + lost:
        raise FactoryError(
            f"ledger of step {step} does not balance: {rows_in} {unit} in, {rows_out} out + {lost} dropped",
            do="this is a defect of the factory; keep the folder and report it",
        )
    manifest = {
        "step": step,
        "schema": {"name": schema.name, "version": schema.version} if schema else None,
        "factory_version": factory.__version__,
        "key": step_key(step, settings, inputs),
        "settings": dict(settings),
        "inputs": dict(inputs),
        "unit": unit,
        "rows_in": rows_in,
        "rows_out": rows_out,
        "rows_dropped": lost,
        "dropped": dict(sorted(dropped.items())),
        "totals": dict(totals),
        "files": dict(files),
        "output_digest": digest(list(parts)),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(out / MANIFEST, manifest)
    return manifest
