"""What users give by mistake: files that are broken, empty or something else. One line, exit code 2, no traceback."""

import polars as pl
import pytest

from tests.support.cli import run_factory

WHOLE = pl.DataFrame(
    {"id": [str(i) for i in range(500)], "problem": [f"what is {i} + {i}" for i in range(500)]}
)


def broken(folder, kind):
    path = folder / "given.parquet"
    WHOLE.write_parquet(path)
    data = path.read_bytes()
    wrong = {
        "empty": b"",
        "foreign": b"hello",
        "cut": data[:-20],
        "damaged": data[:8] + b"\xff" * 800 + data[808:],
    }
    path.write_bytes(wrong[kind])
    return path


def assert_one_line(done, *words):
    told = [line for line in done.stderr.splitlines() if line.startswith("factory: ")]
    assert done.returncode == 2, done.stderr
    assert len(told) == 1
    assert "Traceback" not in done.stderr
    assert all(word in told[0] for word in words), told


@pytest.mark.parametrize("kind", ["empty", "foreign", "cut", "damaged"])
@pytest.mark.parametrize("verb", ["dedup", "decontaminate", "verify", "pairs"])
def test_a_file_that_is_no_parquet(tmp_path, verb, kind):
    given = broken(tmp_path, kind)
    more = ["--against", "aime24"] if verb == "decontaminate" else []
    assert_one_line(
        run_factory(verb, given, "--out", tmp_path / "out", *more), "cannot read", "given.parquet"
    )


@pytest.mark.parametrize("verb", ["dedup", "decontaminate", "verify", "generate"])
def test_a_file_without_rows(tmp_path, verb):
    WHOLE.clear().with_columns(answer=pl.lit("1"), content=pl.lit("1")).write_parquet(
        tmp_path / "given.parquet"
    )
    more = {"decontaminate": ["--against", "aime24"], "generate": ["--teacher", "procedural"]}.get(verb, [])
    done = run_factory(verb, tmp_path / "given.parquet", "--out", tmp_path / "out", *more)
    assert_one_line(done, "given.parquet holds no rows")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["dedup", "decontaminate"])
def test_a_broken_file_to_compare_with(tmp_path, verb):
    given = broken(tmp_path, "cut")
    WHOLE.write_parquet(tmp_path / "whole.parquet")
    done = run_factory(verb, tmp_path / "whole.parquet", "--out", tmp_path / "out", "--against", given)
    assert_one_line(done, "cannot read", "given.parquet")


@pytest.mark.parametrize("verb", ["dedup", "decontaminate"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,problem\n1,foo\n", ["no line of", "given.jsonl can be read", "given.jsonl:1"]),
        ("\n\n", ["given.jsonl holds no rows"]),
        ('{"problem": ["a", "b"]}\n', ["column problem holds List"]),
        ('{"question": "x"}\n', ["no column problem", "question"]),
    ],
)
def test_a_file_without_texts(tmp_path, verb, text, words):
    given = tmp_path / "given.jsonl"
    given.write_text(text)
    more = ["--against", "aime24"] if verb == "decontaminate" else []
    assert_one_line(run_factory(verb, given, "--out", tmp_path / "out", *more), *words)


@pytest.mark.parametrize(
    ("verb", "out", "more"),
    [
        ("dedup", "own", []),
        ("dedup", "other", ["--against", "{own}"]),
        ("decontaminate", "own", ["--against", "aime24"]),
        ("verify", "own", []),
        ("pairs", "own", []),
        ("generate", "own", ["--teacher", "procedural"]),
        ("difficulty", "own", ["--student", "procedural"]),
        ("difficulty", "parent", ["--student", "procedural"]),
        ("difficulty", "above", ["--student", "procedural"]),
    ],
)
def test_a_step_never_clears_its_own_input(tmp_path, verb, out, more):
    """A step's folder is cleared before it is written; with the input in it, that was the end of the input."""
    own = tmp_path / ("__problems" if out == "parent" else "problems")
    own.mkdir()
    WHOLE.with_columns(answer=pl.lit("1")).write_parquet(own / "part-00000.parquet")
    before = (own / "part-00000.parquet").read_bytes()
    given = own
    if out == "other":  # published data are added to, in their own folder
        given = tmp_path / "new.parquet"
        WHOLE.write_parquet(given)
    folder = tmp_path if out in ("parent", "above") else own
    done = run_factory(verb, given, "--out", folder, *(word.format(own=own) for word in more))
    words = "choose an empty --out folder" if out == "above" else "choose another --out folder"
    assert_one_line(done, words)
    assert (own / "part-00000.parquet").read_bytes() == before
    assert not (tmp_path / "store").exists(), "refused before anything was asked"
    assert not (tmp_path / "__rollouts").exists()
