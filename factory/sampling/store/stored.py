"""One stored response: its address, its columns, its compressed body, and the checksum over all of them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard

VERSION = 2
"""2 added checksums, the account of what each job cost, and the ledger of broken attempts."""
_ROW = """
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL {unique},
    request_key BLOB NOT NULL,
    sample_index INTEGER NOT NULL,
    sampler TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    usd REAL,
    job TEXT NOT NULL,
    body BLOB NOT NULL,
    mark BLOB
"""
IN_FLIGHT = """
CREATE TABLE IF NOT EXISTS in_flight (key BLOB PRIMARY KEY, job TEXT, usd REAL, tokens INTEGER, mark BLOB) WITHOUT ROWID;
"""
"""What was sent and is not answered yet; journals of the first releases of version 2 get it when they are opened."""
TABLES = f"""
CREATE TABLE IF NOT EXISTS request (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS response ({_ROW.format(unique="UNIQUE")});
CREATE TABLE IF NOT EXISTS damaged ({_ROW.format(unique="")});
CREATE TABLE IF NOT EXISTS attempt (
    id INTEGER PRIMARY KEY, key BLOB, job TEXT, prompt_tokens INTEGER, completion_tokens INTEGER, usd REAL, error TEXT
);
{IN_FLIGHT}
CREATE TABLE IF NOT EXISTS account (job TEXT PRIMARY KEY, usd REAL, tokens INTEGER, mark BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
"""`attempt` holds what broken attempts cost, `account` what each job has cost in all, `damaged` rows set aside."""
INSERT = """
INSERT INTO response
    (key, request_key, sample_index, sampler, model, status, prompt_tokens, completion_tokens, usd, job, body, mark)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    status = excluded.status, prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
    usd = excluded.usd, job = excluded.job, body = excluded.body, mark = excluded.mark
WHERE response.status = 'failed'
"""
COLUMNS = "key, request_key, sample_index, sampler, model, status, prompt_tokens, completion_tokens, usd, job, body, mark"


class DamagedError(Exception):
    """What was read is not what was stored."""


def request_key(wire: Mapping[str, Any]) -> str:
    """SHA-256 of a wire request as canonical JSON, 64 hex digits."""
    return hashlib.sha256(orjson.dumps(wire, option=orjson.OPT_SORT_KEYS)).hexdigest()


def response_key(request: str, sample_index: int) -> bytes:
    """Address of one response: the first 16 bytes of SHA-256 over request key and sample index."""
    return hashlib.sha256(f"{request}:{sample_index}".encode()).digest()[:16]


def account_key(job: str) -> bytes:
    """What a process claims while it alone spends a job's budget."""
    return hashlib.sha256(f"budget of {job}".encode()).digest()[:16]


def response_id(key: object) -> str:
    """The address as `schemas.RESPONSE` writes it; of a damaged row it may be anything."""
    return f"r-{key.hex() if isinstance(key, bytes) else key}"


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored response. `body` holds the fields that nobody searches by."""

    key: bytes
    request_key: str
    sample_index: int
    sampler: str
    model: str
    status: str
    prompt_tokens: int | None
    completion_tokens: int | None
    usd: float | None
    body: dict[str, Any]


def from_row(row: tuple[Any, ...]) -> Stored:
    """A response from a row of the store's table, in the order of `COLUMNS`.

    Raises:
        DamagedError: the row is not as it was stored. Rows of version 1 have no checksum; their address and their
            compressed body are all that can be checked.
    """
    *values, body, mark = row
    key, request, index, sampler, model, status, prompt_tokens, completion_tokens, usd, _ = values
    try:
        sound = (
            checksum(*values, body) == mark if mark is not None else response_key(request.hex(), index) == key
        )
        return Stored(
            key=key,
            request_key=request.hex(),
            sample_index=index,
            sampler=sampler,
            model=model,
            status=status,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            usd=usd,
            body=unpack(body) if sound else _refuse(),
        )
    except (zstandard.ZstdError, ValueError, AttributeError, TypeError, MemoryError) as error:
        raise DamagedError from error


def to_row(stored: Stored, job: str) -> tuple[Any, ...]:
    """Values of `INSERT`."""
    values = (
        stored.key,
        bytes.fromhex(stored.request_key),
        stored.sample_index,
        stored.sampler,
        stored.model,
        stored.status,
        stored.prompt_tokens,
        stored.completion_tokens,
        None if stored.usd is None else float(stored.usd),
        job,
        pack(stored.body),
    )
    return (*values, checksum(*values))


def checksum(*values: Any) -> bytes:
    """Eight bytes over values, their types and their borders."""
    state = hashlib.blake2b(digest_size=8)
    for value in values:
        data = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.digest()


def pack(value: Mapping[str, Any]) -> bytes:
    """JSON, compressed."""
    return _compressor().compress(orjson.dumps(value))


def unpack(blob: bytes) -> dict[str, Any]:
    """The reverse of `pack`."""
    value: dict[str, Any] = orjson.loads(_decompressor().decompress(blob))
    return value


_per_thread = threading.local()


def _refuse() -> dict[str, Any]:
    raise DamagedError


def _compressor() -> zstandard.ZstdCompressor:
    if not hasattr(_per_thread, "compressor"):
        _per_thread.compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    found: zstandard.ZstdCompressor = _per_thread.compressor
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_per_thread, "decompressor"):
        _per_thread.decompressor = zstandard.ZstdDecompressor()
    found: zstandard.ZstdDecompressor = _per_thread.decompressor
    return found
