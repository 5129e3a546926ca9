"""Responses that a running job has stored and that no table holds yet: read from its store, which is never written to.

The journals are SQLite files that another process writes. Each look opens them read-only and briefly, takes the rows that are
new since the last one, and leaves a journal that cannot be read at this moment (a commit is torn, a file is being made) for the
next look. Rows whose checksum does not fit are left out.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from zstandard import ZstdError

from factory.atomic import read_json
from factory.errors import FactoryError
from factory.report.step_folders import RunTables
from factory.run.parts import JOB, SIDE_FOLDER, default_store
from factory.sampling.store.journals import journal_names
from factory.sampling.store.stored import COLUMNS, DamagedError, Stored, from_row, response_id, unpack

PATIENCE = 0.25
"""Seconds that a look may take; what is left is for the next one."""
AT_ONCE, MOST = 200, 200_000
"""Rows of one query, and responses that are kept track of."""
SAID = (
    "problem_id", "reasoning", "content", "finish_reason", "reasoning_tokens", "served_model", "model_revision", "error",
    "temperature", "top_p",
)  # fmt: skip
KEPT = (
    "sample_index",
    "sampler",
    "model",
    "status",
    "request_key",
    "prompt_tokens",
    "completion_tokens",
    "usd",
)
"""Columns of a response that lie in its body, and beside it."""
NEWEST = 50
"""Responses on the page of the newest."""

Place = tuple[Path, int]
"""A journal and the number of a response in it."""


class Answered:
    """The responses of one job. Only their places are kept; safe to use from several threads."""

    def __init__(self, stores: Sequence[Path], job: str) -> None:
        """`stores` are folders of journals, `job` the name under which the responses were requested."""
        self.stores, self.job = tuple(stores), job
        self._lock = threading.Lock()
        self._seen: dict[Path, int] = {}
        self._problems: dict[str, list[Place]] = {}
        self._ids: dict[str, str] = {}
        self._newest: deque[Place] = deque(maxlen=NEWEST)

    def look(self) -> int:
        """Take note of what is new; returns how many responses are known."""
        until = time.monotonic() + PATIENCE
        with self._lock:
            for journal in self._journals():
                full = True
                while full and time.monotonic() < until and len(self._ids) < MOST:
                    after = self._seen.get(journal, 0)
                    found = _stored(
                        journal, f"job = ? AND id > ? ORDER BY id LIMIT {AT_ONCE}", (self.job, after)
                    )
                    full = len(found) == AT_ONCE
                    for number, stored in found:
                        self._seen[journal] = number
                        if stored is not None:
                            self._note(stored, (journal, number))
            return len(self._ids)

    def _note(self, stored: Stored, place: Place) -> None:
        problem = str(stored.body.get("problem_id"))
        self._ids[response_id(stored.key)] = problem
        self._problems.setdefault(problem, []).append(place)
        self._newest.appendleft(place)

    def problem_of(self, row_id: str) -> str | None:
        """The problem behind the id of a problem or response; None when no response of it is known."""
        return row_id if row_id in self._problems else self._ids.get(row_id)

    def rows(self, problem: str) -> list[dict[str, Any]]:
        """The finished responses of a problem that are known, with columns of schemas.RESPONSE, in the order of their samples."""
        return sorted(_rows(self._problems.get(problem, ())), key=lambda row: row["sample_index"])

    def newest(self) -> list[dict[str, Any]]:
        """The newest finished responses, the newest first."""
        return _rows(list(self._newest))

    def prompt(self, row: Mapping[str, Any]) -> str:
        """What was asked to get a response; empty when the store does not say."""
        key = (bytes.fromhex(row["request_key"]),)
        for journal in self._journals():
            for (body,) in _query(journal, "SELECT body FROM request WHERE key = ?", key):
                with suppress(ValueError, ZstdError, LookupError, AttributeError, TypeError):
                    wire = unpack(body)
                    return str(wire.get("body", wire)["messages"][-1]["content"])
        return ""

    def _journals(self) -> list[Path]:
        return [store / name for store in self.stores for name in journal_names(store)]


def running_job(
    tables: RunTables, environment: Mapping[str, str] = os.environ
) -> tuple[tuple[Path, ...], str] | None:
    """Where the responses of a run's, or of a verb's, unfinished `generate` are stored, and the name of its job."""
    for folder in (tables.layout.responses, tables.run):
        note = next((note for note in (folder / SIDE_FOLDER / JOB, folder / JOB) if note.is_file()), None)
        if note is not None and not tables.at(folder).readable:
            shared = environment.get("FACTORY_STORE")
            places = (tables.layout.store, default_store(folder), *([Path(shared)] if shared else ()))
            with suppress(FactoryError, OSError, LookupError, TypeError):
                return tuple(dict.fromkeys(place for place in places if place.is_dir())), str(
                    read_json(note)["job"]
                )
    return None


def _rows(places: Iterable[Place]) -> list[dict[str, Any]]:
    found = []
    for journal, number in places:
        for _, stored in _stored(journal, "id = ? AND status != 'failed'", (number,)):
            if stored is not None:
                said = {name: stored.body.get(name) for name in SAID}
                kept = {name: getattr(stored, name) for name in KEPT}
                found.append({"response_id": response_id(stored.key), **said, **kept})
    return found


def _stored(journal: Path, where: str, values: Sequence[object]) -> list[tuple[int, Stored | None]]:
    """Rows of a journal with their numbers; None instead of one that is not as it was stored."""
    found: list[tuple[int, Stored | None]] = []
    for number, *row in _query(journal, f"SELECT id, {COLUMNS} FROM response WHERE {where}", values):
        try:
            found.append((number, from_row(tuple(row))))
        except DamagedError:
            found.append((number, None))
    return found


def _query(journal: Path, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    """All rows of a query, or none when the journal cannot be read at this moment.

    A journal in write-ahead mode that no process has open is read as it lies there: anything else would leave files beside it.
    """
    with suppress(sqlite3.Error, OSError):
        live = journal.with_name(f"{journal.name}-wal").exists() or not _write_ahead(journal)
        uri = f"{journal.absolute().as_uri()}?{'mode=ro' if live else 'immutable=1'}"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.2)) as connection:
            return connection.execute(sql, tuple(values)).fetchall()
    return []


def _write_ahead(journal: Path) -> bool:
    """Whether a SQLite file is in write-ahead mode: its header says so in bytes 18 and 19."""
    with journal.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"
