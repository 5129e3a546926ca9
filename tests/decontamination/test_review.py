"""Decisions on single hits: made at a terminal, kept in a file, honoured by the next run."""

import json
import os
import pty
import subprocess
import time

import polars as pl
import pytest

from factory.decontamination.decisions import Decision, borderline, decided, read_decisions, write_decision
from factory.decontamination.find import HITS
from factory.errors import UsageError
from tests.support.cli import COMMAND, run_factory

GEESE = (
    "A farmer in Saxony keeps 37 geese and 12 spotted goats behind a crooked wooden fence. Every Tuesday the "
    "youngest goat steals 5 cabbages from the bishop's garden. How many cabbages are gone after 8 weeks?"
)
RENUMBERED = GEESE.replace("37", "41").replace("12", "19").replace("5", "7").replace("8", "9")
REWORDED = GEESE.replace("crooked wooden", "low stone").replace("youngest goat", "old goat")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "bench.jsonl").write_text(json.dumps({"id": "b0", "problem": GEESE}))
    texts = [REWORDED, RENUMBERED, "Factor the polynomial into two parts."]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "problem": t}) + "\n" for i, t in enumerate(texts))
    )
    return tmp_path


def command(folder, *more):
    rows, bench, out = folder / "rows.jsonl", folder / "bench.jsonl", folder / "out"
    return ["decontaminate", str(rows), "--against", str(bench), "--out", str(out), *more]


def at_a_terminal(arguments, answers):
    """Run a command at a terminal of its own, answering its questions; what it wrote."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=other, stdout=other, stderr=other, close_fds=True
    )
    os.close(other)
    shown, waiting = "", list(answers)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            piece = os.read(main, 4096).decode("utf-8", "replace")
        except OSError:
            break
        if not piece:
            break
        shown += piece
        while waiting and shown.count("[q]uit") > len(answers) - len(waiting):
            os.write(main, (waiting.pop(0) + "\n").encode())
    assert process.wait(timeout=60) == 0, shown
    os.close(main)
    return shown


def test_a_walk_at_a_terminal_changes_the_next_run(files):
    out = files / "out"
    shown = at_a_terminal(command(files, "--review", "5"), ["nonsense", "d", "k"])
    assert "2 decisions written" in " ".join(shown.split())
    assert pl.read_parquet(out / "part-*.parquet")["id"].to_list() == ["1", "2"]
    again = run_factory(*command(files))
    assert again.returncode == 0
    assert "nothing to do" not in again.stdout
    assert pl.read_parquet(out / "part-*.parquet")["id"].to_list() == ["0", "2"]
    dropped = pl.read_parquet(out / "__dropped" / "part-*.parquet").row(0, named=True)
    assert (dropped["row_id"], dropped["reason"]) == ("1", "benchmark_template")
    certificate = json.loads((out / "_manifest.json").read_text())["totals"]["certificate"]
    assert certificate["decisions"] == {"drop": 1, "keep": 1}
    assert "no doubtful hits" in at_a_terminal(command(files, "--review", "5"), [])


def test_where_nobody_can_answer_the_hits_are_listed(files):
    done = run_factory(*command(files, "--review", "5"))
    assert done.returncode == 0
    assert "most doubtful hits" in done.stdout and "template" in done.stdout
    assert not (files / "out" / "decisions.jsonl").exists()


def hit(tier, score, *, row=0, text="t", drops=True):
    return {
        "row": row, "field": "problem", "benchmark": "b", "benchmark_id": "1", "tier": tier, "score": score,
        "span": "", "text": text, "drops": drops, "decision": None,
    }  # fmt: skip


def test_the_last_decision_counts_and_holds_for_every_row_with_the_text(tmp_path):
    path = tmp_path / "decisions.jsonl"
    hits = pl.DataFrame(
        [hit("ngram", 0.5), hit("ngram", 0.5, row=4), hit("exact", 1.0, text="u")], schema=HITS
    )
    write_decision(path, hits.row(0, named=True), Decision.DROP)
    write_decision(path, hits.row(0, named=True), Decision.KEEP)
    after = decided(hits, read_decisions(path))
    assert after["drops"].to_list() == [False, False, True]
    assert after["decision"].to_list() == ["keep", "keep", None]
    assert after.columns == hits.columns


def test_the_most_doubtful_come_first_and_sure_ones_not_at_all():
    hits = pl.DataFrame(
        [
            hit("exact", 1.0, text="a"),
            hit("ngram", 0.9, text="b"),
            hit("ngram", 0.5, text="c"),
            hit("template", 1.0, text="d", drops=False),
            hit("variant", 0.4, text="e", drops=False),
        ],
        schema=HITS,
    )
    assert borderline(hits, 0.45)["text"].to_list() == ["d", "c", "b", "e"]


def test_a_line_that_is_no_decision_is_named(tmp_path):
    path = tmp_path / "decisions.jsonl"
    path.write_text('{"text": "a", "benchmark": "b", "benchmark_id": "1", "decision": "maybe"}\n')
    with pytest.raises(UsageError, match=r"decisions.jsonl:1 is no decision"):
        read_decisions(path)
