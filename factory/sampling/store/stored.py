"""One stored response: its address, its columns, and its compressed body."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard

TABLES = """
CREATE TABLE IF NOT EXISTS request (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS response (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    request_key BLOB NOT NULL,
    sample_index INTEGER NOT NULL,
    sampler TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    usd REAL,
    job TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS response_job ON response (job, usd, completion_tokens) WHERE job != '';
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
INSERT = """
INSERT INTO response
    (key, request_key, sample_index, sampler, model, status, prompt_tokens, completion_tokens, usd, job, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    status = excluded.status, prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
    usd = excluded.usd, job = excluded.job, body = excluded.body
WHERE response.status = 'failed'
"""


def request_key(wire: Mapping[str, Any]) -> str:
    """SHA-256 of a wire request as canonical JSON, 64 hex digits."""
    return hashlib.sha256(orjson.dumps(wire, option=orjson.OPT_SORT_KEYS)).hexdigest()


def response_key(request: str, sample_index: int) -> bytes:
    """Address of one response: the first 16 bytes of SHA-256 over request key and sample index."""
    return hashlib.sha256(f"{request}:{sample_index}".encode()).digest()[:16]


def account_key(job: str) -> bytes:
    """What a process claims while it alone spends a job's budget."""
    return hashlib.sha256(f"budget of {job}".encode()).digest()[:16]


def response_id(key: bytes) -> str:
    """The address as `schemas.RESPONSE` writes it."""
    return "r-" + key.hex()


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


COLUMNS = (
    "key, request_key, sample_index, sampler, model, status, prompt_tokens, completion_tokens, usd, body"
)


def from_row(row: tuple[Any, ...]) -> Stored:
    """A response from a row of the store's table, in the order of `COLUMNS`."""
    key, request, index, sampler, model, status, prompt_tokens, completion_tokens, usd, body = row
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
        body=unpack(body),
    )


def to_row(stored: Stored, job: str) -> tuple[Any, ...]:
    """Values of `INSERT`."""
    return (
        stored.key,
        bytes.fromhex(stored.request_key),
        stored.sample_index,
        stored.sampler,
        stored.model,
        stored.status,
        stored.prompt_tokens,
        stored.completion_tokens,
        stored.usd,
        job,
        pack(stored.body),
    )


def pack(value: Mapping[str, Any]) -> bytes:
    """JSON, compressed."""
    return _compressor().compress(orjson.dumps(value))


def unpack(blob: bytes) -> dict[str, Any]:
    """The reverse of `pack`."""
    value: dict[str, Any] = orjson.loads(_decompressor().decompress(blob))
    return value


_per_thread = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    if not hasattr(_per_thread, "compressor"):
        _per_thread.compressor = zstandard.ZstdCompressor(level=3)
    found: zstandard.ZstdCompressor = _per_thread.compressor
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_per_thread, "decompressor"):
        _per_thread.decompressor = zstandard.ZstdDecompressor()
    found: zstandard.ZstdDecompressor = _per_thread.decompressor
    return found
