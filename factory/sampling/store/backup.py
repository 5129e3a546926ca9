"""A store as a whole: whether every byte of it is as it was stored, and a copy of it while others write to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from zstandard import ZstdError

from factory.atomic import atomic_path
from factory.errors import FactoryError, UsageError, first_line
from factory.sampling.store.in_flight import end, in_flight, note, seal
from factory.sampling.store.integrity import (
    account,
    charge,
    check_attempts,
    inspect,
    migrate,
    note_attempts,
    recount,
)
from factory.sampling.store.journals import PATTERN, journal_names, open_journal, unreadable
from factory.sampling.store.leases import check_leases
from factory.sampling.store.stored import (
    COLUMNS,
    INSERT,
    DamagedError,
    from_row,
    request_key,
    response_id,
    unpack,
)


def check_store(folder: Path) -> list[str]:
    """What is wrong with a store, one line for each file or row. Nothing is changed; every byte is read."""
    sealed = {path.name.removesuffix(".seal") for path in folder.glob(f"{PATTERN}.seal")}
    faults = check_leases(folder)
    for name in sorted({*journal_names(folder), *sealed}):
        try:
            faults += _faults(folder / name)
        except FactoryError as error:
            faults.append(str(error))
        except (sqlite3.Error, OSError, ValueError) as error:
            faults.append(f"{folder / name} is damaged ({first_line(error)}) - restore it from a backup")
    return faults


def _faults(path: Path) -> Iterator[str]:
    if not path.exists():
        yield f"{path} is missing, and its seal is there - restore it from a backup"
        return
    with closing(open_journal(path)) as connection:
        migrate(connection, path)
        if loss := inspect(connection, path):
            yield loss
        for (said,) in connection.execute("PRAGMA integrity_check"):
            if said != "ok":
                yield f"{path} is damaged ({said}) - restore it from a backup"
        for row in connection.execute(f"SELECT {COLUMNS} FROM response"):
            try:
                from_row(row)
            except DamagedError:
                yield (
                    f"response {response_id(row[0])} in {path} is damaged - the next run that needs it sets it aside and "
                    "fetches it again"
                )
        for key, body in connection.execute("SELECT key, body FROM request"):
            try:
                sound = request_key(unpack(body)) == key.hex()
            except (ZstdError, ValueError, TypeError, AttributeError):
                sound = False
            if not sound:
                yield f"the request {key.hex() if isinstance(key, bytes) else key} in {path} is damaged - restore the store from a backup"
        check_attempts(connection, path)
        in_flight(connection, path)
        for job in [*(row[0] for row in connection.execute("SELECT job FROM account").fetchall()), ""]:
            try:
                account(connection, job)
            except FactoryError as error:
                yield f"{path}: {error}"
                break


def back_up(folder: Path, out: Path) -> int:
    """Copy a store, which others may be writing, into one journal; returns its number of responses.

    Put it back as `responses.sqlite` into an empty folder. Each journal is copied as it stands between two commits.

    Raises:
        UsageError: there is no store, or `out` cannot be written.
        FactoryError: the store is damaged; `out` is as it was.
    """
    *others, last = journal_names(folder) or [""]
    if not last:
        raise UsageError(f"{folder} holds no response store", do="name a run, a verb's folder or a store")
    try:
        with atomic_path(out) as temporary, closing(sqlite3.connect(temporary, isolation_level=None)) as copy:
            _copy(folder / last, copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            # The first by file name counts, so it is merged last.
            for name in reversed(others):
                with closing(sqlite3.connect(":memory:", isolation_level=None)) as other:
                    _copy(folder / name, other)
                    _merge(other, copy)
            if faults := list(_faults(temporary)):
                raise FactoryError("\n".join(each.replace(str(temporary), str(folder)) for each in faults))
            count: int = copy.execute("SELECT COUNT(*) FROM response").fetchone()[0]
    except (sqlite3.Error, ValueError) as error:
        raise unreadable(folder, error) from error
    return count


def adopt(former: Path, folder: Path) -> None:
    """Copy another store into a journal of this one, once; the other one stays as it is."""
    names = journal_names(former)
    if not names:
        return
    try:
        with closing(open_journal(former / names[0])) as first:
            migrate(first, former / names[0])
            identity = first.execute("SELECT value FROM note WHERE name = 'id'").fetchone()[0]
    except (sqlite3.Error, ValueError) as error:
        raise unreadable(former / names[0], error) from error
    out = folder / f"responses-{identity[:12]}.sqlite"
    if not out.exists():
        folder.mkdir(parents=True, exist_ok=True)
        back_up(former, out)


def _copy(path: Path, copy: sqlite3.Connection) -> None:
    with closing(open_journal(path)) as source:
        if loss := inspect(source, path):
            raise FactoryError(loss)
        check_attempts(source, path)
        in_flight(source, path)
        source.backup(copy)
    migrate(copy, path)


def _merge(other: sqlite3.Connection, copy: sqlite3.Connection) -> None:
    """Add a journal's rows; its responses go before those that are there, but for failed ones."""
    replacing = INSERT.replace("response.status = 'failed'", "excluded.status != 'failed'")
    tables = {
        "request": "INSERT OR IGNORE INTO request VALUES (?, ?)",
        "attempt": "INSERT INTO attempt VALUES (NULL, ?, ?, ?, ?, ?, ?)",
    }
    with copy:
        copy.execute("BEGIN IMMEDIATE")
        copy.executemany(replacing, other.execute(f"SELECT {COLUMNS} FROM response"))
        copy.executemany(tables["request"], other.execute("SELECT key, body FROM request"))
        sql = "SELECT key, job, prompt_tokens, completion_tokens, usd, error FROM attempt"
        copy.executemany(tables["attempt"], other.execute(sql))
        for key, job, usd, tokens in other.execute("SELECT key, job, usd, tokens FROM in_flight"):
            if (first := end(copy, key, set())) is not None:
                charge(copy, {first[0]: first[1:]})
            note(copy, key, job, usd, tokens)
        seal(copy)
        note_attempts(copy)
        jobs = [job for (job,) in other.execute("SELECT job FROM account")]
        charge(copy, {job: account(other, job) for job in jobs})
        recount(copy)
