"""Requests that are with a server: noted durably before they are sent, so that none is forgotten when a process is killed.

A note goes in the transaction that stores the answer, or what a broken attempt cost. One that stays is of a process that
was killed; the server may bill that request up to its worst case, so that is what it counts as, in the budget of its job
at once, and as a broken attempt once the request is sent again.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from factory.errors import FactoryError
from factory.sampling.store.stored import checksum

KILLED = "in flight when its process was killed: booked at its worst case"
DEAD = tuple[str, float, int]
"""Job, dollars and completion tokens of a request that a killed process had sent."""


def note(connection: sqlite3.Connection, key: bytes, job: str, usd: float, tokens: int) -> None:
    """A request is about to be sent."""
    values = (key, job, float(usd), int(tokens))
    connection.execute("INSERT INTO in_flight VALUES (?, ?, ?, ?, ?)", (*values, checksum(*values)))


def end(connection: sqlite3.Connection, key: bytes, ours: set[bytes]) -> DEAD | None:
    """Take a request's note away; what it counts as if it is of a killed process (not one of `ours`)."""
    sql = "SELECT job, usd, tokens FROM in_flight WHERE key = ?"
    row: DEAD | None = connection.execute(sql, (key,)).fetchone()
    if row is None:
        return None
    connection.execute("DELETE FROM in_flight WHERE key = ?", (key,))
    if key in ours:
        return None
    job, usd, tokens = row
    connection.execute(
        "INSERT INTO attempt VALUES (NULL, ?, ?, NULL, ?, ?, ?)", (key, job, tokens, usd, KILLED)
    )
    return row


def seal(connection: sqlite3.Connection) -> None:
    """Repeat the checksums of all notes in one."""
    connection.execute("INSERT OR REPLACE INTO note VALUES ('in_flight', ?)", (_sum(_rows(connection)),))


def in_flight(connection: sqlite3.Connection, path: Path, job: str = "") -> tuple[int, float, int]:
    """How many requests of a job were sent and not answered so far, and their worst case in dollars and tokens.

    Raises:
        FactoryError: the notes are not what was written.
    """
    rows = _rows(connection)
    noted = connection.execute("SELECT value FROM note WHERE name = 'in_flight'").fetchone()
    if _sum(rows) != (noted[0] if noted else "") or any(checksum(*row[:4]) != row[4] for row in rows):
        raise FactoryError(
            f"{path} is damaged: what it says of requests in flight is not what was noted, so no budget can be kept",
            do="restore it from a backup",
        )
    found = [row for row in rows if row[1] == job]
    return len(found), sum(row[2] for row in found), sum(row[3] for row in found)


def _rows(connection: sqlite3.Connection) -> list[tuple[bytes, str, float, int, bytes]]:
    return connection.execute("SELECT * FROM in_flight ORDER BY key").fetchall()


def _sum(rows: list[tuple[bytes, str, float, int, bytes]]) -> str:
    return checksum(*(row[4] for row in rows)).hex() if rows else ""
