"""Secrets are found wherever they stand in a row, and ordinary values are not taken for them."""

import polars as pl
import pytest

from factory.publishing.gate import MIN_LENGTH, own_secrets, secrets_in_rows, secrets_in_text

KEY = "AKIA" + "ABCDEFGHIJKLMNOP"


def found(tmp_path, **columns):
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"id": ["a", "b", "c"], **columns}).write_parquet(path)
    return list(secrets_in_rows(path, list(columns), "id"))


@pytest.mark.parametrize(
    "texts",
    [
        [["x"], [None, KEY], ["y"]],
        [["x"], [KEY, None], None],
        [[], ["long", None, f"in {KEY} between"], ["y"]],
    ],
)
def test_a_key_beside_a_null_in_a_list_is_found(tmp_path, texts):
    assert found(tmp_path, answers=texts) == [("b", "answers", "AWS access key")]


def test_a_key_beside_a_null_in_a_message_is_found(tmp_path):
    messages = [[{"role": None, "content": text}] for text in ("x", KEY, None)]
    assert found(tmp_path, prompt=messages) == [("b", "prompt", "AWS access key")]


def test_the_first_row_of_every_column_is_named(tmp_path):
    assert found(tmp_path, one=["x", KEY, KEY], two=[KEY, None, "x"], three=["x", "y", "z"]) == [
        ("b", "one", "AWS access key"),
        ("a", "two", "AWS access key"),
    ]


def test_own_secrets_are_long_values_of_variables_named_so(monkeypatch):
    long, short = "z" * MIN_LENGTH, "z" * (MIN_LENGTH - 1)
    for name, value in {
        "MY_API_KEY": long, "MY_TOKEN": short, "MY_NOTE": long, "KEYBOARD": long, "MY_PASSWORD": long + ".+",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    mine = {name for name in own_secrets() if name.startswith(("MY_", "KEYBOARD"))}
    assert mine == {"MY_API_KEY", "MY_PASSWORD"}
    text = f"first\n{long}.+ and\nlast"
    assert set(secrets_in_text(text)) >= {(2, "value of $MY_PASSWORD"), (2, "value of $MY_API_KEY")}
    monkeypatch.delenv("MY_API_KEY")
    assert list(secrets_in_text(f"{long}xx")) == [], "dots in a value are no pattern"


def test_lines_are_numbered_from_one():
    assert list(secrets_in_text(f"{KEY}\n\nx {KEY}")) == [(1, "AWS access key"), (3, "AWS access key")]
