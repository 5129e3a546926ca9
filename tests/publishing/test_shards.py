"""Shards: sizes, names, row groups, page index, and bytes that do not depend on the batches."""

from __future__ import annotations

import errno
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.errors import Stopped
from factory.publishing import shards as module
from factory.publishing.shards import row_bytes, row_groups, write_shards
from schemas import COMPLETION, MESSAGES

ROWS = pl.DataFrame(
    {
        "prompt": [[{"role": "user", "content": f"What is {i} + {i}?"}] for i in range(300)],
        "completion": [
            [{"role": "assistant", "content": "<think>" + "so " * (i % 60) + f"</think>{2 * i}"}]
            for i in range(300)
        ],
        "problem_id": [f"p-{i:06d}" for i in range(300)],
        "source": "gsm8k",
        "licence": "MIT",
        "response_id": [f"r-{i:06d}" for i in range(300)],
        "teacher": "procedural",
        "model": "procedural",
    }
)


def test_shards_are_named_by_their_number(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    noisy = ROWS.with_columns(answer=pl.Series([generator.bytes(2000).hex() for _ in range(300)]))
    written = write_shards(
        tmp_path, (noisy.slice(i, 10) for i in range(0, 300, 10)), COMPLETION, shard_bytes=1
    )
    assert [p.name for p in written.paths] == ["train-00000-of-00001.parquet"]
    saved, module.GROUP_ROWS = module.GROUP_ROWS, 50
    try:
        written = write_shards(tmp_path, [noisy], COMPLETION, shard_bytes=150_000)
    finally:
        module.GROUP_ROWS = saved
    assert [p.name for p in written.paths] == [f"train-{i:05d}-of-00003.parquet" for i in range(3)]
    assert sorted(p.name for p in tmp_path.iterdir()) == [p.name for p in written.paths]
    assert pl.read_parquet(written.paths)["response_id"].to_list() == ROWS["response_id"].to_list()
    assert written.rows == 300
    assert written.bytes == sum(p.stat().st_size for p in written.paths)


def test_files_have_zstd_and_a_page_index(tmp_path: Path) -> None:
    path = write_shards(tmp_path, [ROWS], COMPLETION, "test").paths[0]
    column = pq.read_metadata(path).row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert column.has_offset_index and column.has_column_index


@given(cuts=st.lists(st.integers(0, 300), max_size=12))
@settings(max_examples=25, deadline=None)
def test_batches_do_not_change_the_row_groups(cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), 300]
    frames = [ROWS.slice(a, b - a) for a, b in pairwise(borders)]
    saved = module.GROUP_BYTES, module.GROUP_ROWS
    module.GROUP_BYTES, module.GROUP_ROWS = 5_000, 40
    try:
        groups = [
            t.num_rows for t in row_groups((COMPLETION.conform(f.to_arrow()) for f in frames), COMPLETION)
        ]
        whole = [t.num_rows for t in row_groups([COMPLETION.conform(ROWS.to_arrow())], COMPLETION)]
    finally:
        module.GROUP_BYTES, module.GROUP_ROWS = saved
    assert groups == whole
    assert sum(whole) == 300 and max(whole) <= 40


def test_batches_do_not_change_a_byte(tmp_path: Path) -> None:
    whole = write_shards(tmp_path / "a", [ROWS], COMPLETION).paths[0].read_bytes()
    pieces = (ROWS.slice(i, 7).to_arrow() for i in range(0, 300, 7))
    assert write_shards(tmp_path / "b", pieces, COMPLETION).paths[0].read_bytes() == whole


def test_content_defined_chunking_keeps_most_chunks_after_an_insertion(tmp_path: Path) -> None:
    """One row more at the front: most of the compressed pages stay byte-identical."""
    generator = np.random.default_rng(1)
    texts = [generator.bytes(20_000).hex() for _ in range(200)]
    frame = ROWS.head(200).with_columns(answer=pl.Series(texts))
    longer = pl.concat([frame.tail(1).with_columns(answer=pl.lit("one more")), frame])
    pages = [
        _page_bytes(write_shards(tmp_path / n, [f], COMPLETION).paths[0])
        for n, f in (("a", frame), ("b", longer))
    ]
    kept = sum(len(page) for page in pages[1] if page in set(pages[0]))
    assert kept > 0.7 * sum(len(page) for page in pages[1])


def _page_bytes(path: Path) -> list[bytes]:
    """Compressed data pages of the answer column, found by their thrift-independent position: fixed windows do not
    work, so cut the column chunk at zstd frame magic numbers."""
    data = path.read_bytes()
    metadata = pq.read_metadata(path).row_group(0)
    index = next(i for i in range(metadata.num_columns) if metadata.column(i).path_in_schema == "answer")
    column = metadata.column(index)
    start = column.dictionary_page_offset or column.data_page_offset
    return data[start : start + column.total_compressed_size].split(b"\x28\xb5\x2f\xfd")[1:]


def test_full_disk_stops_and_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(Stopped, match="disk full"):
        write_shards(tmp_path, [ROWS], COMPLETION)
    assert list(tmp_path.iterdir()) == []


messages = st.none() | st.lists(
    st.fixed_dictionaries(
        {"role": st.none() | st.text(max_size=3), "content": st.none() | st.text(max_size=9)}
    ),
    max_size=3,
)


@given(
    st.lists(st.tuples(messages, st.none() | st.text(max_size=5), st.none() | st.integers(0, 9)), max_size=8),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_row_bytes_counts_utf8_and_ignores_slicing(rows: list[tuple], data: st.DataObject) -> None:
    table = pa.table(
        {
            "m": pa.array([r[0] for r in rows], MESSAGES),
            "t": pa.array([r[1] for r in rows], pa.string()),
            "n": pa.array([r[2] for r in rows], pa.int32()),
        }
    )
    size = lambda text: len(text.encode()) if text else 0  # noqa: E731
    expected = [
        sum(size(x["role"]) + size(x["content"]) for x in m or []) + size(t) + (4 if n is not None else 0)
        for m, t, n in rows
    ]
    assert row_bytes(table).tolist() == expected
    cut = data.draw(st.integers(0, len(rows)))
    assert row_bytes(table.slice(cut)).tolist() == expected[cut:]
