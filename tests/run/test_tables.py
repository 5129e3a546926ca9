"""Dropped rows keep whatever a row holds."""

import json

import polars as pl
import pytest

from factory.run.tables import dropped_rows


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (["p", None], ["p", None]),
        ([1, None], ["1", None]),
        ([["a", "b"], None], ['["a","b"]', None]),
        ([{"set": "x", "n": 1}, None], ['{"set":"x","n":1}', None]),
        ([b"\xff", None], [r'''"b'\\xff'"''', None]),
    ],
)
def test_an_id_of_any_type_becomes_text(ids, texts):
    rows = pl.DataFrame({"id": ids, "problem_id": ids})
    dropped = dropped_rows(rows, step="s", reason="r")
    assert dropped["row_id"].to_list() == dropped["problem_id"].to_list() == texts


@pytest.mark.parametrize(
    "value", [b"\x89PNG", [b"\x89PNG"], {"bytes": b"\x89PNG", "path": None}, [{"b": b"\x89PNG"}]]
)
def test_a_row_with_bytes_is_kept_as_text(value, capfd):
    row = json.loads(
        dropped_rows(pl.DataFrame({"id": ["1"], "image": [value]}), step="s", reason="r")["row"][0]
    )
    assert row["id"] == "1" and "PNG" in json.dumps(row["image"])
    assert capfd.readouterr().err == ""
