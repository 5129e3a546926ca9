"""A dropped row: which step dropped what, why, and on what evidence. Nothing vanishes without one."""

from __future__ import annotations

import pyarrow as pa

from schemas.table import Column, TableSchema

DROPPED = TableSchema(
    "dropped",
    1,
    (
        Column("step", pa.string(), "Step that dropped the row.", True),
        Column(
            "row_id",
            pa.string(),
            "Id of the row: problem id, response id, or `FILE:LINE` for unreadable input.",
            True,
        ),
        Column("problem_id", pa.string(), "Problem that the row belongs to, when known."),
        Column("reason", pa.string(), "Short machine-readable reason, counted in the ledger.", True),
        Column("detail", pa.string(), "One sentence for people."),
        Column(
            "evidence", pa.string(), "JSON: matched benchmark and span, survivor and similarity, verdict, ..."
        ),
        Column(
            "row",
            pa.string(),
            "JSON of the whole row as it was, without measured times, so that it can be brought back.",
        ),
    ),
)
