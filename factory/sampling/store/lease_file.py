"""The file that holds a store's leases (`leases.sqlite`), and what others than the workers do with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from factory.errors import FactoryError
from factory.sampling.store.journals import BUSY_SECONDS

FILE = "leases.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS account (
    job TEXT, journal TEXT, life TEXT, seen REAL, starving INTEGER, done INTEGER,
    spent_usd REAL, spent_tokens INTEGER, leased_usd REAL, leased_tokens INTEGER,
    PRIMARY KEY (job, journal)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bucket (job TEXT, kind INTEGER, level REAL, at REAL, PRIMARY KEY (job, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stop (job TEXT PRIMARY KEY) WITHOUT ROWID;
"""


def open_leases(folder: Path) -> sqlite3.Connection:
    """The ledger of a store. Without write-ahead, so that several machines may use it on a shared file system."""
    connection = sqlite3.connect(
        folder / FILE, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode=TRUNCATE")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(_TABLES)
    return connection


@contextmanager
def transaction(ledger: sqlite3.Connection, folder: Path) -> Iterator[None]:
    """All or nothing, and nobody else meanwhile.

    Raises:
        FactoryError: the ledger cannot be written.
    """
    try:
        ledger.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            ledger.execute("ROLLBACK")
            raise
        ledger.execute("COMMIT")
    except sqlite3.Error as error:
        raise FactoryError(
            f"cannot write {folder / FILE}: {error}", do="check the disk and run again"
        ) from error


def ask_to_stop(folder: Path, job: str, stop: bool = True) -> None:
    """Have the workers of a job stop when they next look, within about a second; or no longer."""
    ledger = open_leases(folder)
    with transaction(ledger, folder):
        ledger.execute("DELETE FROM stop WHERE job = ?", (job,))
        if stop:
            ledger.execute("INSERT INTO stop VALUES (?)", (job,))
    ledger.close()


def progress(folder: Path, job: str) -> tuple[int, float, int]:
    """Answers seen by the living workers, and dollars and tokens that the job has cost as far as they are booked."""
    ledger = open_leases(folder)
    sql = "SELECT TOTAL(done), TOTAL(spent_usd), TOTAL(spent_tokens) FROM account WHERE job = ?"
    done, usd, tokens = ledger.execute(sql, (job,)).fetchone()
    ledger.close()
    return int(done), usd, int(tokens)
