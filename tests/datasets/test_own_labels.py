"""Labels and a filter of the user's own: what goes on to the sets, what is dropped and why, and what their errors do."""

from pathlib import Path

import polars as pl
import pytest

from factory.config.datasets import DatasetsSection
from factory.config.verify import VerifySection
from factory.errors import FactoryError, UsageError
from factory.run.parts import read_dropped, read_parts
from factory.steps import label as step
from factory.steps import verify
from tests.support.cli import run_factory as factory

MINE = """
def topic(problem, domain, source):
    if "pi" in problem:
        return {"domain": "circles", "level": "middle"}
    if "Two" in problem:
        return "counting"
    if "bad" in problem:
        return 3
def keep(verdict, response, loop_score, row):
    if row["problem"] == "bad":
        1 / 0
    return True if verdict == "correct" else f"it is {verdict}"
def none(row): return False
def nothing(row): pass
def breaks(row): return row["no such"]
"""


@pytest.fixture
def verdicts(tmp_path, monkeypatch):
    """Verified responses, and `mine.py`, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    problems = ["pi?", "Two?", "What is the derivative of x?", "bad", "pi?"]
    golds = ["3", "2", "1", "4", "3"]
    answers = ["3", "2", "1", "4", "7"]
    pl.DataFrame(
        {
            "problem": problems,
            "answer": golds,
            "response": [f"<think>Let me see.</think>It is \\boxed{{{each}}}." for each in answers],
            "domain": [None, "algebra", None, None, None],
        }
    ).write_parquet("rows.parquet")
    verify.run(["rows.parquet"], Path("verdicts"), VerifySection(workers=1))
    return "verdicts"


def labelled(verdicts, **settings):
    from factory.steps.preference import take_in

    return step.run(take_in([verdicts], Path("in")), Path("out"), DatasetsSection(**settings))


def test_a_label_comes_before_all_others_and_what_it_leaves_is_labelled_as_before(verdicts):
    before = labelled(verdicts)
    plain = read_parts(Path("out"))
    found = labelled(verdicts, label="mine.py:topic")
    rows = read_parts(Path("out"))
    assert rows["domain"].to_list()[:3] == ["circles", "counting", plain["domain"][2]]
    assert rows["level"].to_list()[0] == "middle" and rows["level"][1] == plain["level"][1]
    assert rows["label_source"].to_list() == ["own", "own", "rules", "rules", "own"]
    assert found.summary.own == {
        "label": {"rows": 4, "failed": 1, "first": "topic returned 3: return a domain, "
                  '{"domain": text, "level": text} or a part of it, or None'}
    }  # fmt: skip
    assert before.summary.own is None and "own" not in before.manifest["totals"]
    assert not labelled(verdicts, label="mine.py:topic").made
    Path("mine.py").write_text(MINE + "#\n")
    assert labelled(verdicts, label="mine.py:topic").made


def test_a_filter_drops_with_its_words_and_what_it_fails_at_goes_too(verdicts):
    found = labelled(verdicts, filter="mine.py:keep")
    assert read_parts(Path("out"))["problem"].to_list() == [
        "pi?",
        "Two?",
        "What is the derivative of x?",
    ]
    lost = read_dropped(Path("out")).to_dict(as_series=False)
    assert list(zip(lost["reason"], lost["detail"], strict=True)) == [
        ("filter_failed", "keep: ZeroDivisionError: division by zero (mine.py:11)"),
        ("filtered", "it is incorrect"),
    ]
    assert found.manifest["rows_in"] == 5 and found.manifest["rows_out"] == 3
    assert found.summary.own["filter"]["failed"] == 1


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"filter": "mine.py:none"}, FactoryError, "mine.py:none keeps none of 5 responses"),
        (
            {"filter": "mine.py:nothing"},
            FactoryError,
            "failed at all 5 rows: nothing returned None: return True",
        ),
        ({"label": "mine.py:breaks"}, FactoryError, "failed at all 4 rows: breaks: KeyError: 'no such'"),
        ({"label": "mine.py:kep"}, UsageError, "defines no kep - did you mean keep"),
        ({"label": "mine.py:keep"}, UsageError, "keep asks for verdict, and the rows have no such field"),
    ],
)
def test_what_cannot_work_is_one_line(settings, kind, says, verdicts):
    with pytest.raises(kind, match=says) as refused:
        labelled(verdicts, **settings)
    assert len(str(refused.value).splitlines()) == 1


def test_the_verb_says_what_the_filter_left_out(verdicts):
    done = factory(
        "select", verdicts, "--set", "midtrain", "--filter", "mine.py:keep", "--label", "mine.py:topic", "--out", "set"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        "left out by your filter: 1 filter failed, 1 filtered (see set/__labelled/__dropped)" in done.stdout
    )
    assert "your label failed at 1 of 4 rows, first: topic returned 3" in done.stdout
    assert read_parts(Path("set"))["domain"].to_list()[:2] == ["circles", "counting"]
    refused = factory("select", verdicts, "--set", "rl", "--filter", "mine.py:keep", "--out", "rl")
    assert refused.returncode == 2 and "filter looks at responses" in refused.stderr
