"""What a folder holds: finished steps below it, and response stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factory.errors import UsageError
from factory.run.ledger import read_ledger
from factory.sampling.store.journal import ResponseStore
from factory.sampling.store.journals import PATTERN


def read_status(folder: Path) -> dict[str, Any]:
    """Steps (from their manifests) and stores at or below a folder.

    Raises:
        UsageError: there is neither.
    """
    steps = [
        {
            "step": row.step,
            "folder": row.folder,
            "unit": row.unit,
            "rows_in": row.rows_in,
            "rows_out": row.rows_out,
            "dropped": row.dropped,
            "balanced": row.balanced,
        }
        for row in read_ledger(folder)
    ]
    stores = [_store(path) for path in sorted({found.parent for found in folder.rglob(PATTERN)})]
    if not steps and not stores:
        raise UsageError(f"{folder} holds no finished step and no response store")
    return {"steps": steps, "stores": stores}


def _store(folder: Path) -> dict[str, Any]:
    with ResponseStore(folder) as store:
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        return {"folder": str(folder), "responses": store.summary(), "bytes": size}
