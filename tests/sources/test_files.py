import csv
import gzip
import io
import json

import polars as pl
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import UsageError
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.sources.columns import frame_of, text_of
from factory.sources.files import read_blocks, read_file, read_rows, require_columns
from schemas import DROPPED


def write(path, *lines):
    path.write_bytes(b"".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


def test_reads_plain_gz_and_zst_alike(tmp_path):
    text = b'{"a": 1, "b": "x"}\n{"a": 2}\n'
    (tmp_path / "p.jsonl").write_bytes(text)
    (tmp_path / "g.jsonl.gz").write_bytes(gzip.compress(text, mtime=0))
    frames = zstandard.ZstdCompressor().compress(text[:19]) + zstandard.ZstdCompressor().compress(text[19:])
    (tmp_path / "z.jsonl.zst").write_bytes(frames)
    for name in ("p.jsonl", "g.jsonl.gz", "z.jsonl.zst"):
        assert read_rows(tmp_path / name).rows.to_dicts() == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert read_rows(tmp_path).rows.height == 6
    assert read_rows([tmp_path / "*.gz", tmp_path / "p.jsonl"]).rows.height == 4


def test_bad_lines_are_dropped_with_file_line_and_reason(tmp_path):
    path = write(
        tmp_path / "x.jsonl",
        b"\xef\xbb\xbf",
        '{"problem": "ok"}\n',
        "\n",
        '{"problem": \n',
        "[1, 2]\n",
        b'{"problem": "\xff"}\n',
        '{"problem": "\\ud800"}\n',
        "[" * 100_000 + "\n",
        '{"problem": "last line without newline"}',
    )
    result = read_rows(path)
    assert result.rows["problem"].to_list() == ["ok", "last line without newline"]
    assert result.dropped.columns == DROPPED.names
    found = dict(zip(result.dropped["row_id"], result.dropped["reason"], strict=True))
    assert found == {
        f"{path}:3": "malformed_json",
        f"{path}:4": "not_an_object",
        f"{path}:5": "not_utf8",
        f"{path}:6": "lone_surrogate",
        f"{path}:7": "malformed_json",
    }
    assert json.loads(result.dropped["row"][1]) == {"raw": "[1, 2]"}
    with StepWriter(tmp_path / "out", "read") as writer:
        writer.keep(result.rows)
        writer.drop(result.dropped)
        writer.finish(rows_in=result.rows_in)


def test_a_step_folder_gives_its_parts_and_never_its_dropped(tmp_path):
    with StepWriter(tmp_path / "step", "s") as writer:
        writer.keep(pl.DataFrame({"id": ["a"]}))
        writer.drop(dropped_rows(pl.DataFrame({"id": ["b"]}), step="s", reason="bad"))
        writer.finish(rows_in=2)
    assert read_rows(tmp_path / "step").rows["id"].to_list() == ["a"]
    assert read_rows(str(tmp_path / "**/*.parquet")).rows["id"].to_list() == ["a"]
    assert read_rows(tmp_path / "step" / "__dropped").rows["row_id"].to_list() == ["b"]


def test_heterogeneous_types_lose_nothing(tmp_path):
    path = write(
        tmp_path / "x.jsonl",
        '{"answer": 7, "tags": ["a"], "meta": {"k": 1}, "n": 1, "big": 1267650600228229401496703205376}\n',
        '{"answer": "x=2", "tags": ["b", "c"], "meta": {"z": [1]}, "n": 2.5, "big": 1}\n',
        '{"answer": 2.0, "tags": null, "meta": null, "n": null, "big": null}\n',
        '{"answer": true, "tags": []}\n',
    )
    rows = read_rows(path).rows
    assert rows["answer"].to_list() == ["7", "x=2", "2", "true"]
    assert rows["tags"].to_list() == [["a"], ["b", "c"], None, []]
    assert [json.loads(m) if m else m for m in rows["meta"]] == [{"k": 1}, {"z": [1]}, None, None]
    assert rows["n"].to_list() == [1.0, 2.5, None, None]
    assert rows["big"].to_list()[:2] == ["1267650600228229401496703205376", "1"]


def test_files_whose_types_disagree_stack_as_text(tmp_path):
    write(tmp_path / "a.jsonl", '{"answer": 7, "k": {"x": 1}}\n')
    write(tmp_path / "b.jsonl", '{"answer": "seven", "k": "y"}\n')
    pl.DataFrame({"answer": [1.5], "extra": [1]}).write_parquet(tmp_path / "c.parquet")
    rows = read_rows(tmp_path).rows
    assert rows["answer"].to_list() == ["7", "seven", "1.5"]
    assert rows["extra"].to_list() == [None, None, 1]


def test_chat_messages_stay_messages(tmp_path):
    message = {"role": "user", "content": "hi"}
    path = write(tmp_path / "x.jsonl", json.dumps({"prompt": [message]}) + "\n")
    assert read_rows(path).rows["prompt"].to_list() == [[message]]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:-20], "cannot read"),
        ("n.jsonl.gz", b"not gzip", "cannot read"),
        ("n.jsonl.zst", b"not zstd", "cannot read"),
        ("t.jsonl.zst", zstandard.ZstdCompressor().compress(b'{"a": 1}\n' * 1000)[:-4], "middle of a frame"),
        ("n.parquet", b"not parquet", "cannot read"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        read_rows(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_missing_things_say_what_is_there(tmp_path):
    write(tmp_path / "problems.jsonl", '{"question": "x"}\n')
    with pytest.raises(UsageError, match=r"did you mean problems\.jsonl"):
        read_rows(tmp_path / "problem.jsonl")
    with pytest.raises(UsageError, match="nor does its folder"):
        read_rows(tmp_path / "no" / "x.jsonl")
    with pytest.raises(UsageError, match="matches no file"):
        read_rows(str(tmp_path / "*.parquet"))
    with pytest.raises(UsageError, match="columns there: question"):
        require_columns(read_rows(tmp_path).rows, ["problem"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="it is empty"):
        read_rows(tmp_path / "empty")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from(["p", "q", "r"]), JSON), min_size=1, max_size=6))
def test_any_json_objects_become_a_table_of_the_same_values(objects):
    frame = frame_of(objects)
    for row, original in zip(frame.iter_rows(named=True), objects, strict=False):
        for name, value in original.items():
            got = row[name]
            same_value = got == value and type(got) is type(value)
            as_float = isinstance(got, float) and isinstance(value, int) and int(got) == value
            assert same_value or as_float or text_of(value) == got or _close(got, value)


def _close(got, value):
    """Lists of integers with floats become lists of floats."""
    return isinstance(got, list) and got == value


ROWS = [
    {"problem": "What is 2 + 3?\nSay it.", "answer": "5"},
    {"problem": 'A "quoted", list', "answer": "0.50"},
]


def _csv(delimiter):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["problem", "answer"], *([row["problem"], row["answer"]] for row in ROWS)])
    return text.getvalue().encode()


def _arrow(kind):
    sink = io.BytesIO()
    table = pa.Table.from_pylist(ROWS)
    with kind(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _lines(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", _lines()),
        ("a.json", _lines()),
        ("a.txt", _lines()),
        ("array.json", json.dumps(ROWS).encode()),
        ("pretty.json", json.dumps(ROWS, indent=2).encode()),
        ("pretty.jsonl", "\n".join(json.dumps(row, indent=1) for row in ROWS).encode()),
        ("together.json", "".join(map(json.dumps, ROWS)).encode()),
        ("under_a_key.json", json.dumps({"version": 1, "data": ROWS}).encode()),
        (
            "columns.json",
            json.dumps(
                {name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]}
            ).encode(),
        ),
        (
            "split.json",
            json.dumps(
                {"columns": list(ROWS[0]), "index": [0, 1], "data": [list(r.values()) for r in ROWS]}
            ).encode(),
        ),
        ("bom.json", b"\xef\xbb\xbf" + json.dumps(ROWS, indent=2).encode()),
        ("a.csv", _csv(",")),
        ("semicolon.csv", _csv(";")),
        ("a.tsv", _csv("\t")),
        ("bom.csv", b"\xef\xbb\xbf" + _csv(",")),
        ("a.csv.gz", gzip.compress(_csv(","), mtime=0)),
        ("a.arrow", _arrow(pa.ipc.new_file)),
        ("stream.arrow", _arrow(pa.ipc.new_stream)),
        ("packed.jsonl", gzip.compress(_lines(), mtime=0)),
        ("packed_without_a_name", zstandard.ZstdCompressor().compress(_lines())),
        ("frames.zst", b"".join(zstandard.ZstdCompressor().compress(_lines([row])) for row in ROWS)),
        ("unpacked.jsonl.gz", _lines()),
    ],
)
def test_a_format_is_told_by_the_content(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    whole = read_file(tmp_path / name)
    assert whole.rows.to_dicts() == ROWS
    assert (whole.rows_in, whole.dropped.height) == (2, 0)
    blocks = list(read_blocks(tmp_path / name, 1, place="at"))
    assert [row["at"] for block in blocks for row in block.rows.to_dicts()] != []
    assert [{k: row[k] for k in ROWS[0]} for block in blocks for row in block.rows.to_dicts()] == ROWS


def test_a_folder_of_splits_says_which_there_are(tmp_path):
    (tmp_path / "set/train").mkdir(parents=True)
    (tmp_path / "set/dataset_dict.json").write_text('{"splits": ["train"]}')
    (tmp_path / "set/train/data-00000-of-00001.arrow").write_bytes(_arrow(pa.ipc.new_stream))
    (tmp_path / "set/train/state.json").write_text("{}")
    with pytest.raises(UsageError, match=r"name one: .*set/train"):
        read_rows(tmp_path / "set")
    assert read_rows(tmp_path / "set/train").rows.to_dicts() == ROWS


def test_a_chat_in_a_file_of_its_own_is_one_row(tmp_path):
    row = {"messages": [{"role": "user", "content": "2 + 3?"}, {"role": "assistant", "content": "5"}]}
    (tmp_path / "a.json").write_text(json.dumps(row, indent=2))
    assert read_file(tmp_path / "a.json").rows.to_dicts() == [row]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.zip", b"PK\x03\x04....", "a zip archive"),
        ("a.jsonl", '{"a": 1}'.encode("utf-16"), "UTF-16"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.arrow", b"ARROW1\x00\x00broken", "cannot read"),
    ],
)
def test_what_is_not_read_is_named(name, content, says, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=says):
        read_file(tmp_path / name)


def test_rows_of_a_csv_that_are_none_are_dropped(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"problem,answer\n1 + 1?,2\n1 + 2?,3,surplus\n\n\xff?,4\nshort\n")
    read = read_file(tmp_path / "a.csv")
    assert read.rows.to_dicts() == [
        {"problem": "1 + 1?", "answer": "2"},
        {"problem": "short", "answer": None},
    ]
    assert read.dropped["reason"].to_list() == ["malformed_csv", "not_utf8"]
    assert read.rows_in == 4


def test_a_broken_line_does_not_make_a_document_of_a_file(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1\n{"a": 2}\n[{"a": 3}\n')
    read = read_file(tmp_path / "a.jsonl")
    assert read.rows.to_dicts() == [{"a": 2}]
    assert read.dropped.height == 2


def test_a_small_file_of_long_texts_is_read_in_pieces(tmp_path):
    """2 MB on the disk, 36 MB of text: the whole of it as rows would take twenty times its size in memory."""
    frame = pl.DataFrame({"problem": [f"{i} " + "word " * 600 for i in range(12_000)]})
    frame.write_parquet(tmp_path / "rows.parquet")
    assert (tmp_path / "rows.parquet").stat().st_size < 2**22
    blocks = [block.rows for block in read_blocks(tmp_path / "rows.parquet")]
    assert len(blocks) > 1 and max(block.height for block in blocks) <= 10_000
    assert pl.concat(blocks)["problem"].equals(frame["problem"])
