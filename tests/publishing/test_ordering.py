"""Sorting over disk gives what sorting in memory gives, however many ranges and levels it takes."""

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory.publishing import ordering
from factory.publishing.ordering import sorted_rows
from factory.run import parts

KEYS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "ba", "é", "z" * 40]), st.text(max_size=3))


def write(folder, rows, each=7):
    folder.mkdir(exist_ok=True)
    paths = []
    for start in range(0, max(rows.height, 1), each):
        paths.append(folder / f"part-{len(paths):05d}.parquet")
        rows.slice(start, each).write_parquet(paths[-1])
    return paths


def by_disk(paths, key, scratch):
    tables = list(sorted_rows(paths, key, scratch))
    assert not scratch.exists()
    return pl.concat([pl.DataFrame(pl.from_arrow(table)) for table in tables]), len(tables)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(ordering, "RANGE_BYTES", 300)
    monkeypatch.setattr(ordering, "WAITING_BYTES", 500)
    monkeypatch.setattr(ordering, "FAN_OUT", 3)
    monkeypatch.setattr(ordering, "BATCH_ROWS", 5)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(KEYS, st.integers(0, 3)), max_size=60), st.integers(1, 50))
def test_any_rows_in_ranges_of_ranges(small, tmp_path_factory, rows, every):
    folder = tmp_path_factory.mktemp("sort")
    table = pl.DataFrame(rows, schema={"key": pl.String, "second": pl.Int64}, orient="row").with_row_index(
        "n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "SAMPLE", every)
        paths = write(folder / "in", table)
        if not rows:
            assert list(sorted_rows(paths, ("key", "second"), folder / "scratch")) == []
            return
        found, _ = by_disk(paths, ("key", "second"), folder / "scratch")
    assert found.equals(table.sort("key", "second", nulls_last=False, maintain_order=True))


def test_more_ranges_than_files_may_be_open_are_made_in_levels(small, tmp_path):
    table = pl.DataFrame({"key": [f"k{i * 7919 % 500:03d}" for i in range(500)], "text": ["x" * 20] * 500})
    paths = write(tmp_path / "in", table, each=100)
    found, ranges = by_disk(paths, ("key",), tmp_path / "scratch")
    assert found.equals(table.sort("key", maintain_order=True))
    assert ranges > ordering.FAN_OUT**2


def test_one_key_with_more_rows_than_a_range(small, tmp_path):
    table = pl.DataFrame({"key": ["a"] * 3 + ["b"] * 300 + ["c"], "n": range(304)})
    found, ranges = by_disk(write(tmp_path / "in", table), ("key",), tmp_path / "scratch")
    assert found.equals(table)
    assert 2 <= ranges <= 3


def test_an_error_in_a_later_range_comes_out_and_leaves_nothing(small, tmp_path, monkeypatch):
    paths = write(tmp_path / "in", pl.DataFrame({"key": [f"{i:03d}" for i in range(200)]}))
    tables = sorted_rows(paths, ("key",), tmp_path / "scratch")
    next(tables)
    monkeypatch.setattr(ordering, "_sort", lambda table, key: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(tables)
    assert not (tmp_path / "scratch").exists()


def test_a_batch_is_bounded_in_bytes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "BATCH_BYTES", 10_000)
    pl.DataFrame({"n": range(100), "text": [str(i) * 500 for i in range(100)]}).write_parquet(
        tmp_path / "part.parquet"
    )
    batches = list(parts.iter_part(tmp_path / "part.parquet", 50))
    assert pl.concat(batches)["n"].to_list() == list(range(100))
    assert max(batch.height for batch in batches) < 15
    few = next(parts.iter_part(tmp_path / "part.parquet", columns=["n", "absent"]))
    assert few.columns == ["n"]
