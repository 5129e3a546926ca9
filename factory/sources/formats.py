"""What a file holds, told by its content: Parquet, Arrow, JSON Lines, JSON (an array, or objects pretty-printed), CSV, TSV.

CSV and TSV are told by their names. Text may be compressed with gzip or zstd, whatever the file is called.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from factory.errors import UsageError
from factory.run.parts import iter_part, unpacked_bytes

NAMES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".feather")
"""Endings of data files; text may have `.gz` or `.zst` behind it."""
DOCUMENT_BYTES = 2**30
"""JSON that is not one object per line is read whole, up to this size."""
LINE_BYTES = 2**28
"""A longer line is a dropped row: it is more likely a file without line ends than a row of that size."""
WRAPPINGS = ("data", "rows", "examples", "instances")
"""Keys of an object that holds the rows."""
CELL = 2**27
"""Characters of a CSV cell."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PARQUET, _ARROW, _ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
_OTHER = {
    b"PK\x03\x04": "a zip archive: unpack it",
    b"BZh": "compressed with bzip2: unpack it",
    b"\xfd7zXZ": "compressed with xz: unpack it",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"SQLite format 3": "a database: export the table as Parquet or JSON Lines",
    b"%PDF": "a PDF",
    b"version https://git-lfs": "a pointer of git LFS and not the data: run `git lfs pull`",
}


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a text file: its line or place, and its object, its bytes (to be parsed) or why it is no row."""

    number: int
    value: dict[str, Any] | None = None
    raw: bytes = b""
    reason: str = ""
    detail: str = ""
    size: int = 0


def is_table(path: Path) -> bool:
    """Whether a file is Parquet or Arrow.

    Raises:
        OSError: it cannot be read.
        UsageError: it is of a kind that is not read.
    """
    head = _head(path)
    for magic, what in _OTHER.items():
        if head.startswith(magic):
            raise UsageError(f"{path} is {what}")
    return head.startswith((_PARQUET, _ARROW, _ARROW_STREAM)) or path.suffix == ".parquet"


def tables(path: Path, size: int) -> Iterator[pl.DataFrame]:
    """A Parquet or Arrow file, piece by piece; whole when `size` is beyond it."""
    if not _head(path).startswith((_ARROW, _ARROW_STREAM)):
        # Not the file's own size: a set of long traces is ten times as large when it is unpacked.
        whole = size >= unpacked_bytes(pq.read_metadata(path))
        yield from [pl.read_parquet(path)] if whole else iter_part(path)
        return
    with pa.memory_map(str(path)) as source:
        if _head(path).startswith(_ARROW):
            reader = pa.ipc.open_file(source)
            batches: Iterable[pa.RecordBatch] = (
                reader.get_batch(i) for i in range(reader.num_record_batches)
            )
        else:
            batches = pa.ipc.open_stream(source)
        for batch in batches:
            yield cast("pl.DataFrame", pl.from_arrow(batch))


def records(path: Path) -> Iterator[Record]:
    """The rows of a text file, in order; empty lines are passed over.

    Raises:
        OSError: it cannot be read or unpacked.
        EOFError: the archive is cut.
    """
    with path.open("rb") as handle, _unpacked(handle) as text:
        if _bare_name(path).endswith((".csv", ".tsv")):
            yield from _csv(text)
            return
        first = text.readline(LINE_BYTES).removeprefix(b"\xef\xbb\xbf")
        document = _document(first, text) if _starts_document(first) else None
        if document is not None:
            for number, value in enumerate(document, start=1):
                yield _of_document(number, value)
            return
    with path.open("rb") as handle, _unpacked(handle) as text:
        for number, line in enumerate(_lines(text), start=1):
            raw = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).rstrip(b"\r\n")
            if len(line) > LINE_BYTES:
                detail = f"has more than {LINE_BYTES:,} bytes"
                yield Record(number, raw=raw[:1_000], reason="line_too_long", detail=detail, size=len(line))
            elif raw.strip():
                yield Record(number, raw=raw, size=len(line))


def _lines(text: IO[bytes]) -> Iterator[bytes]:
    """Lines; of one that is longer than `LINE_BYTES`, only its beginning."""
    while line := text.readline(LINE_BYTES + 1):
        more = line if len(line) > LINE_BYTES else b"\n"
        while more and not more.endswith(b"\n"):
            more = text.readline(1 << 20)
        yield line


def _head(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(32)


def _bare_name(path: Path) -> str:
    return path.name.lower().removesuffix(".gz").removesuffix(".zst")


def _unpacked(handle: IO[bytes]) -> IO[bytes]:
    head = handle.read(32)
    handle.seek(0)
    magic = head[:4]
    if handle.name.endswith((".gz", ".zst")) and head[:1] not in (_GZIP[:1], _ZSTD[:1], b"{", b"["):
        raise OSError(f"neither a {Path(handle.name).suffix} archive nor JSON")
    if magic.startswith(_GZIP):
        return gzip.GzipFile(fileobj=handle)  # type: ignore[return-value]
    return io.BufferedReader(_Unzstd(handle), 1 << 20) if magic == _ZSTD else handle


class _Unzstd(io.RawIOBase):
    """A zstd file, several frames allowed; unlike `stream_reader`, a cut file is an error."""

    def __init__(self, handle: IO[bytes]) -> None:
        import zstandard

        self._new = zstandard.ZstdDecompressor().decompressobj
        self._error = zstandard.ZstdError
        self._handle, self._frame, self._ready, self._whole = handle, self._new(), b"", True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and (data := self._frame.unused_data or self._handle.read(1 << 16)):
            if self._frame.eof:
                self._frame = self._new()
            try:
                self._ready = self._frame.decompress(data)
            except self._error as error:
                raise OSError(str(error)) from error
            self._whole = self._frame.eof
        if not self._ready and not self._whole:
            raise EOFError("the file ends in the middle of a frame")
        taken, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _starts_document(first: bytes) -> bool:
    """Whether a file's first line is not a row by itself, but the start of an array or of a longer object."""
    line = first.strip()
    if not line.startswith((b"[", b"{")):
        return False
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return True
    return _inside(value) is not None


def _inside(value: Any) -> list[Any] | None:
    """The rows in an array, in an object that is only their wrapping, or in pandas' `columns` and `split` orientations."""
    if isinstance(value, dict):
        names, cells = value.get("columns"), value.get("data")
        if isinstance(names, list) and isinstance(cells, list) and all(isinstance(c, list) for c in cells):
            return [dict(zip(map(str, names), row, strict=False)) for row in cells]
        columns = [each for each in value.values() if isinstance(each, dict) and "0" in each]
        if columns and len(columns) == len(value):
            places = dict.fromkeys(place for column in columns for place in column)
            return [{name: column.get(place) for name, column in value.items()} for place in places]
        value = next((value[key] for key in WRAPPINGS if key in value), None)
    return value if isinstance(value, list) and any(isinstance(each, dict) for each in value) else None


def _document(first: bytes, rest: IO[bytes]) -> list[Any] | None:
    """The rows of JSON that is not one object per line: None when it is no such JSON."""
    data = first + rest.read(DOCUMENT_BYTES)
    decoder, values, at = json.JSONDecoder(), [], 0
    try:
        text = data.decode("utf-8").strip()
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            while at < len(text) and text[at] in " \t\r\n,":
                at += 1
    except (ValueError, RecursionError):
        return None
    inside = _inside(values[0]) if len(values) == 1 else None
    return values if inside is None else inside


def _of_document(number: int, value: Any) -> Record:
    if isinstance(value, dict):
        return Record(number, value, size=1_000)
    detail = f"a row is a JSON object, this is a {type(value).__name__}"
    return Record(number, raw=json.dumps(value).encode(), reason="not_an_object", detail=detail, size=1_000)


def _csv(data: IO[bytes]) -> Iterator[Record]:
    csv.field_size_limit(CELL)
    text = io.TextIOWrapper(data, encoding="utf-8-sig", errors="surrogateescape", newline="")
    start = text.readline()
    delimiter = max("\t,;|", key=start.count)
    names = next(csv.reader([start], delimiter=delimiter), [])
    reader = csv.reader(text, delimiter=delimiter)
    try:
        for cells in reader:
            number = reader.line_num + 1
            raw = delimiter.join(cells).encode("utf-8", "surrogateescape")
            if not cells:
                continue
            if len(cells) > len(names):
                detail = f"{len(cells)} cells under {len(names)} columns"
                yield Record(number, raw=raw, reason="malformed_csv", detail=detail, size=len(raw))
            elif any(0xDC80 <= ord(c) <= 0xDCFF for cell in cells for c in cell):
                yield Record(
                    number, raw=raw, reason="not_utf8", detail="holds bytes that are not UTF-8", size=len(raw)
                )
            else:
                yield Record(
                    number, {n: c or None for n, c in zip(names, cells, strict=False)}, size=len(raw)
                )
    except csv.Error as error:
        yield Record(reader.line_num + 1, reason="malformed_csv", detail=str(error))
