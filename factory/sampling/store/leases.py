"""One budget and one rate limit for many workers: a ledger beside the journals that hands out leases.

The owner is a file (`leases.sqlite`), not a process: each worker asks it in a transaction of its own. So there is no
owner to be killed, no port to be guarded and nothing to be started again; what was leased is on the disk before it is
used. Every worker has an account for each job: what it has spent, and what it holds on lease. A lease is granted only
while the sum of both over all accounts stays within the cap, and a worker never lets what it spent and what its
requests in flight may cost at worst exceed its lease; so the cap holds in sum. When a worker dies its seat comes free,
and the next one who needs money takes back what the dead one's journal does not show as spent. A worker that is silent
for `EXPIRY_SECONDS` although its seat is taken (its node is gone, or it was stopped) loses its lease, too; should it
wake up, it finds that out before it sends anything.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from io import BufferedRandom
from pathlib import Path

from factory.errors import FactoryError, Stopped, first_line
from factory.sampling.store.journals import BUSY_SECONDS, journal_names, transaction
from factory.sampling.store.money import NOTHING, Money
from factory.sampling.store.stored import checksum
from factory.sampling.store.worker_locks import seated

FILE = "leases.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS account (
    job TEXT, journal TEXT, life TEXT, seen REAL, starving INTEGER, done INTEGER,
    spent_usd REAL, spent_tokens INTEGER, leased_usd REAL, leased_tokens INTEGER, mark BLOB,
    PRIMARY KEY (job, journal)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bucket (job TEXT, kind INTEGER, level REAL, at REAL, mark BLOB, PRIMARY KEY (job, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stop (job TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_MARKED = {
    "account": "job, journal, life, seen, starving, done, spent_usd, spent_tokens, leased_usd, leased_tokens",
    "bucket": "job, kind, level, at",
}
"""The columns that a row's checksum covers."""
EXPIRY_SECONDS = 600.0
SHARE = 4
"""A lease is at most this part of a worker's even share of what is left, so that the last dollars are not hoarded."""
BURST_SECONDS = 5.0
"""Seconds of a rate that may be used at once."""

Booked = Callable[[str], tuple[float, int]]
"""Dollars and tokens that a journal shows for the job."""


class Leases:
    """One worker's access to the ledger. Its methods block for a transaction; call them from a thread."""

    def __init__(
        self,
        folder: Path,
        job: str,
        journal: str,
        seat: BufferedRandom,
        cap: Money,
        booked: Booked,
        *,
        expiry: float = EXPIRY_SECONDS,
    ) -> None:
        """Open the account.

        Args:
            folder: the store's.
            job: whose budget it is.
            journal: file name of the journal that this worker writes.
            seat: of that journal, taken; it is given back at the end.
            cap: of the whole job.
            booked: reads what a journal shows as spent for the job.
            expiry: silence after which a lease is lost though its holder's seat is taken.
        """
        self.folder, self.job, self.journal, self.cap, self.expiry = folder, job, journal, cap, expiry
        self.life = uuid.uuid4().hex
        self._booked = booked
        self._watched: dict[str, tuple[str, float, float]] = {}
        self._lock = threading.Lock()
        self._seat = seat
        self._zero = time.time() - steady()
        """Makes the steady clock one that the workers of a job share; see `_now`."""
        self._ledger = open_leases(folder)
        with self._lock, transaction(self._ledger, self.folder / FILE):
            for name in {*journal_names(folder), journal}:
                if name == journal or not seated(folder, name):
                    self._close_account(name)
            self._update(NOTHING, NOTHING, begin=True)

    def leave(self, spent: Money, done: int) -> None:
        """Give everything back, and close."""
        with self._lock, transaction(self._ledger, self.folder / FILE):
            self._ledger.execute(
                "UPDATE account SET leased_usd = 0, leased_tokens = 0, starving = 0, life = '', done = ?,"
                " spent_usd = MAX(spent_usd, ?), spent_tokens = MAX(spent_tokens, ?)"
                " WHERE job = ? AND journal = ? AND life = ?",
                (done, spent.usd, spent.tokens, self.job, self.journal, self.life),
            )
            self._mark(self.journal)
        self._ledger.close()
        self._seat.close()

    def report(self, spent: Money, leased: Money, done: int) -> bool:
        """Book what was spent and what is still held; True when somebody else is in want of what is held.

        Raises:
            Stopped: the lease was lost, or the job is to stop.
        """
        with self._lock, transaction(self._ledger, self.folder / FILE):
            self._update(spent, leased, done=done)
            if self._ledger.execute("SELECT 1 FROM stop WHERE job = ?", (self.job,)).fetchone():
                raise Stopped(
                    "stopped by the process that started the workers", do="run the same command again"
                )
            sql = "SELECT 1 FROM account WHERE job = ? AND starving"
            return self._ledger.execute(sql, (self.job,)).fetchone() is not None

    def extend(self, spent: Money, held: Money, least: Money, most: Money, done: int) -> Money | None:
        """Ask for more.

        Args:
            spent: all that this worker has spent.
            held: what it keeps of its lease; the rest is given back.
            least: what it needs at least.
            most: what it can use at once.
            done: answers so far.

        Returns:
            What was added to `held`: at least `least`, or nothing while others hold what is missing; None when nobody
            holds any, so that more can never come.

        Raises:
            Stopped: the lease was lost, or the job is to stop.
        """
        with self._lock, transaction(self._ledger, self.folder / FILE):
            self._update(spent, held, done=done)
            free = self._free()
            if not least.within(free):
                for name in self._dead():
                    self._close_account(name)
                free = self._free()
            if least.within(free):
                sql = "SELECT COUNT(*) FROM account WHERE job = ? AND life != ''"
                share = SHARE * max(1, self._ledger.execute(sql, (self.job,)).fetchone()[0])
                granted = Money(
                    max(least.usd, min(most.usd, free.usd / share)),
                    max(least.tokens, min(most.tokens, free.tokens // share)),
                )
                self._update(spent, held + granted, done=done)
                return granted
            others = self._others_hold()
            self._update(spent, held, starving=others, done=done)
            return NOTHING if others else None

    def take(
        self, rates: Sequence[float | None], needs: Sequence[Sequence[float]], give: Sequence[float]
    ) -> tuple[int, float]:
        """Take from the job's rate limits.

        Args:
            rates: of each limit, a second; None is no limit.
            needs: what requests need of each limit, in the order in which they wait.
            give: what earlier requests took too little (or, negative, too much).

        Returns:
            How many of the requests may be sent now, and the seconds until the next one may.
        """
        with self._lock, transaction(self._ledger, self.folder / FILE):
            now = self._now()
            levels = [self._level(kind, rate, now) for kind, rate in enumerate(rates)]
            levels = [level - more for level, more in zip(levels, give, strict=True)]
            granted, wait = 0, 0.0
            for need in needs:
                wait = max(map(_wait, need, levels, rates))
                if wait > 0:
                    break
                levels = [level - amount for level, amount in zip(levels, need, strict=True)]
                granted += 1
            self._ledger.executemany(
                "INSERT INTO bucket VALUES (?, ?, ?, ?, NULL) ON CONFLICT (job, kind) DO UPDATE SET"
                " level = excluded.level, at = excluded.at",
                [(self.job, kind, level, now) for kind, level in enumerate(levels)],
            )
            _mark(self._ledger, "bucket", "job = ?", self.job)
        return granted, wait

    def _now(self) -> float:
        """Time as the job's workers share it: none is behind the latest that another one noted.

        So neither clocks that differ between machines nor one that is set fill a bucket early, or keep it empty.
        """
        sql = "SELECT MAX(at) FROM bucket WHERE job = ?"
        latest = self._ledger.execute(sql, (self.job,)).fetchone()[0] or 0.0
        self._zero = max(self._zero, latest - steady())
        return self._zero + steady()

    def _level(self, kind: int, rate: float | None, now: float) -> float:
        """What a limit's bucket holds now."""
        if rate is None:
            return 0.0
        sql = "SELECT level, at FROM bucket WHERE job = ? AND kind = ?"
        row = self._ledger.execute(sql, (self.job, kind)).fetchone()
        size = rate * BURST_SECONDS
        return size if row is None else min(size, float(row[0] + (now - row[1]) * rate))

    def _update(
        self, spent: Money, leased: Money, *, starving: bool = False, done: int = 0, begin: bool = False
    ) -> None:
        """Write the own account; `begin` a new life."""
        changed = self._ledger.execute(
            "UPDATE account SET life = ?, seen = seen + 1, starving = ?, done = ?, leased_usd = ?, leased_tokens = ?,"
            " spent_usd = MAX(spent_usd, ?), spent_tokens = MAX(spent_tokens, ?)"
            " WHERE job = ? AND journal = ? AND (life = ? OR ?)",
            (
                self.life,
                starving,
                done,
                leased.usd,
                leased.tokens,
                spent.usd,
                spent.tokens,
                self.job,
                self.journal,
                self.life,
                begin,
            ),
        ).rowcount
        if not changed:
            raise Stopped(
                f"worker {self.journal} was silent for so long that its lease was given to others",
                do="run the same command again to go on",
            )
        self._mark(self.journal)

    def _mark(self, journal: str) -> None:
        """Renew the checksum of an account."""
        _mark(self._ledger, "account", "job = ? AND journal = ?", self.job, journal)

    def _close_account(self, journal: str) -> None:
        """Book what a journal shows (or what its last life had reported, when that is more); nothing is on lease."""
        usd, tokens = self._booked(journal)
        self._ledger.execute(
            "INSERT INTO account VALUES (?1, ?2, '', 0, 0, 0, ?3, ?4, 0, 0, NULL) ON CONFLICT (job, journal) DO UPDATE SET"
            " life = '', starving = 0, leased_usd = 0, leased_tokens = 0,"
            " spent_usd = MAX(spent_usd, ?3), spent_tokens = MAX(spent_tokens, ?4)",
            (self.job, journal, usd, tokens),
        )
        self._mark(journal)

    def _dead(self) -> list[str]:
        """Others with a lease whose seat is free, or whose account did not move for too long.

        How long is measured by this process's own steady clock since it first saw the account as it is, so that no
        jump of any machine's clock gives a living worker's lease away.
        """
        sql = "SELECT journal, life, seen FROM account WHERE job = ? AND journal != ? AND life != ''"
        held = self._ledger.execute(sql, (self.job, self.journal)).fetchall()
        now, before = steady(), self._watched
        self._watched = {
            name: before[name] if name in before and before[name][:2] == (life, seen) else (life, seen, now)
            for name, life, seen in held
        }
        return [
            name
            for name, (_, _, since) in self._watched.items()
            if now - since > self.expiry or not seated(self.folder, name)
        ]

    def _free(self) -> Money:
        sql = "SELECT TOTAL(spent_usd + leased_usd), TOTAL(spent_tokens + leased_tokens) FROM account WHERE job = ?"
        return self.cap - Money(*self._ledger.execute(sql, (self.job,)).fetchone())

    def _others_hold(self) -> bool:
        sql = (
            "SELECT 1 FROM account WHERE job = ? AND journal != ? AND life != ''"
            " AND (leased_usd > 1e-9 OR leased_tokens > 0)"
        )
        return self._ledger.execute(sql, (self.job, self.journal)).fetchone() is not None


def open_leases(folder: Path) -> sqlite3.Connection:
    """The ledger of a store. Without write-ahead, so that several machines may use it on a shared file system.

    Raises:
        FactoryError: it is damaged, or something else.
    """
    connection = sqlite3.connect(
        folder / FILE, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.create_function("mark_of", -1, checksum, deterministic=True)
    try:
        _inspect(connection)
        connection.execute("PRAGMA journal_mode=TRUNCATE")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_TABLES)
        if any(not _has_marks(connection, table) for table in _MARKED):  # of a former version
            with transaction(connection, folder / FILE):
                for table in _MARKED:
                    if not _has_marks(connection, table):
                        connection.execute(f"ALTER TABLE {table} ADD COLUMN mark BLOB")
                        _mark(connection, table, "1")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        connection.close()
        raise FactoryError(
            f"cannot use {folder / FILE}, the workers' ledger: {first_line(error)}",
            do="delete it while no worker runs: it is made again from the journals",
        ) from error
    return connection


def check_leases(folder: Path) -> list[str]:
    """What is wrong with the ledger of a store, if it has one. Nothing is changed."""
    path = folder / FILE
    if not path.exists() or not path.stat().st_size:
        return []
    try:
        open_leases(folder).close()
    except FactoryError as error:
        return [str(error)]
    return []


def _inspect(connection: sqlite3.Connection) -> None:
    """Compare every row with its checksum.

    Raises:
        sqlite3.DatabaseError: one differs, or the file is something else.
    """
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if not tables <= {*_MARKED, "stop"}:
        raise sqlite3.DatabaseError("it is something else")
    faults = [said for (said,) in connection.execute("PRAGMA integrity_check") if said != "ok"]
    for table, columns in _MARKED.items():
        if _has_marks(connection, table):
            sql = f"SELECT COUNT(*) FROM {table} WHERE mark IS NOT mark_of({columns})"
            if connection.execute(sql).fetchone()[0]:
                faults.append(f"a row of its table {table} is damaged")
    if faults:
        raise sqlite3.DatabaseError(faults[0])


def _has_marks(connection: sqlite3.Connection, table: str) -> bool:
    return "mark" in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _mark(connection: sqlite3.Connection, table: str, where: str, *values: str) -> None:
    connection.execute(f"UPDATE {table} SET mark = mark_of({_MARKED[table]}) WHERE {where}", values)


def ask_to_stop(folder: Path, job: str, stop: bool = True) -> None:
    """Have the workers of a job stop when they next look, within about a second; or no longer."""
    ledger = open_leases(folder)
    with transaction(ledger, folder / FILE):
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


def steady() -> float:
    """Seconds of a clock that nobody sets and that goes on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _wait(amount: float, level: float, rate: float | None) -> float:
    """Seconds until `amount` may be taken. More than the burst may be taken when it is there in full."""
    return 0.0 if rate is None else max(0.0, (min(amount, rate * BURST_SECONDS) - level) / rate)
