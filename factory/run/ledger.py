"""The ledger: what went into every step of a run, what came out, what was dropped and why, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.atomic import read_json, write_json
from factory.errors import FactoryError
from factory.run.parts import MANIFEST


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One step's books."""

    step: str
    folder: str
    unit: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int]
    totals: dict[str, Any]

    @property
    def balanced(self) -> bool:
        """Rows in = rows out + rows dropped."""
        return self.rows_in == self.rows_out + sum(self.dropped.values())


def read_ledger(run: Path) -> list[LedgerRow]:
    """The books of every finished step below `run`, oldest first."""
    manifests = [(path, read_json(path)) for path in run.rglob(MANIFEST)]
    manifests.sort(key=lambda pair: (pair[1].get("finished_at", ""), str(pair[0])))
    return [
        LedgerRow(
            m["step"],
            str(path.parent.relative_to(run)),
            m["unit"],
            m["rows_in"],
            m["rows_out"],
            m["dropped"],
            m["totals"],
        )
        for path, m in manifests
        if "rows_in" in m
    ]


def close_ledger(run: Path) -> list[LedgerRow]:
    """Check every step's balance and write `ledger.json`.

    Raises:
        FactoryError: a step does not balance.
    """
    rows = read_ledger(run)
    for row in rows:
        if not row.balanced:
            raise FactoryError(
                f"ledger does not balance at {row.folder}: {row.rows_in} {row.unit} in, "
                f"{row.rows_out} out, {sum(row.dropped.values())} dropped",
                do=f"delete {run / row.folder} and run again",
            )
    steps = [
        {
            "step": r.step,
            "folder": r.folder,
            "unit": r.unit,
            "rows_in": r.rows_in,
            "rows_out": r.rows_out,
            "dropped": r.dropped,
            "totals": r.totals,
        }
        for r in rows
    ]
    sums = {
        name: sum(r.totals.get(name) or 0 for r in rows)
        for name in ("usd", "prompt_tokens", "completion_tokens")
    }
    write_json(run / "ledger.json", {"balanced": True, "steps": steps, "sums": sums})
    return rows
