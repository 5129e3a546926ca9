"""The ledger: what went into every step of a run, what came out, what was dropped and why, and what it cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from factory.atomic import read_json, write_json
from factory.errors import FactoryError
from factory.run.layout import order_of, place_of
from factory.run.parts import MANIFEST


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One step's statistics. `inputs` are digests and `read` the rows that were read, by the input's name."""

    step: str
    folder: str
    unit: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int]
    totals: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    output_digest: str = ""

    @property
    def balanced(self) -> bool:
        """Rows in = rows out + rows dropped."""
        return self.rows_in == self.rows_out + sum(self.dropped.values())


def read_ledger(run: Path) -> list[LedgerRow]:
    """Every finished step below `run`, in the order of `layout.PLAN`; other folders after them, oldest first."""
    found = []
    for path in run.rglob(MANIFEST):
        folder, m = str(path.parent.relative_to(run)), read_json(path)
        if "rows_in" in m:
            row = LedgerRow(
                m["step"],
                folder,
                m["unit"],
                m["rows_in"],
                m["rows_out"],
                m["dropped"],
                m["totals"],
                m["inputs"],
                m.get("read", {}),
                m["output_digest"],
            )
            found.append((order_of(folder)[0], m.get("finished_at", ""), folder, row))
    return [row for *_, row in sorted(found, key=lambda each: each[:3])]


def close_ledger(run: Path) -> list[LedgerRow]:
    """Check every step's balance, and every step against the one before it, and write `ledger.json`.

    Raises:
        FactoryError: a step does not balance, or did not read all rows that the step before left.
    """
    rows = read_ledger(run)
    by_folder = {row.folder: row for row in rows}
    for row in rows:
        if not row.balanced:
            raise FactoryError(
                f"ledger does not balance at {row.folder}: {row.rows_in} {row.unit} in, "
                f"{row.rows_out} out, {sum(row.dropped.values())} dropped",
                do=f"delete {run / row.folder} and run again",
            )
        _check_chain(run, row, by_folder)
    steps = [
        {
            name: value
            for name, value in asdict(row).items()
            if name not in ("inputs", "read", "output_digest")
        }
        for row in rows
    ]
    sums = {
        name: sum(r.totals.get(name) or 0 for r in rows)
        for name in ("usd", "prompt_tokens", "completion_tokens")
    }
    write_json(run / "ledger.json", {"balanced": True, "steps": steps, "sums": sums}, seal=True)
    return rows


def _check_chain(run: Path, row: LedgerRow, rows: dict[str, LedgerRow]) -> None:
    """A step that was made of what its parent is now has read all rows that the parent left."""
    place = place_of(row.folder)
    for name, folder in place.parents.items() if place else ():
        parent = rows.get(folder)
        if parent is None or name not in row.read or row.inputs.get(name) != parent.output_digest:
            continue
        if row.read[name] != parent.rows_out:
            raise FactoryError(
                f"{row.folder} read {row.read[name]} rows, but {folder} left {parent.rows_out}",
                do=f"delete {run / row.folder} and run again",
            )
