"""The judge against a real loopback server."""

import polars as pl
import pytest

from factory.config.endpoint import Judge
from factory.config.verify import VerifySection
from factory.steps import verify
from factory.steps.judge_verdicts import JudgeBooks, judge_verdicts
from factory.verification import verify_responses


@pytest.fixture
def judge_url(request, serve):
    return serve(text=request.param, style="none").url


def examine(tmp_path, url):
    rows, section = asked(url)
    books = JudgeBooks()
    checked = judge_verdicts(verify_responses(rows, section), section.judge, tmp_path / "store", books)
    return checked, books


def asked(url):
    rows = pl.DataFrame(
        {
            "problem": ["Half?", "Half?", "Half?"],
            "answer": ["1/2"] * 3,
            "content": ["\\boxed{0.5}", "\\boxed{2}", "\\boxed{2}"],
        }
    )
    section = VerifySection(workers=1, judge=Judge(preset="openai", model="judge", base_url=url))
    return rows, section


@pytest.mark.parametrize("judge_url", ["The same.\nVERDICT: SAME"], indirect=True)
def test_a_flip_is_marked_and_paid_for_once(tmp_path, judge_url):
    checked, books = examine(tmp_path, judge_url)
    assert checked.get_column("verdict").to_list() == ["correct"] * 3
    assert checked.get_column("judged").to_list() == [False, True, True]
    assert checked.get_column("method").to_list()[1:] == ["judge", "judge"]
    assert books.counts == {"same": 1, "incorrect to correct": 2}
    assert books.prompt_tokens > 0


@pytest.mark.parametrize("judge_url", ["The same.\nVERDICT: SAME"], indirect=True)
def test_the_step_counts_flips_and_tells_how_many_right_answers_the_rules_missed(tmp_path, judge_url):
    rows, section = asked(judge_url)
    path = tmp_path / "in.parquet"
    rows.write_parquet(path)
    made = verify.run([str(path)], tmp_path / "out", section).summary
    assert made.judge == {"same": 1, "incorrect to correct": 2}
    assert made.false_negative_rate == pytest.approx(2 / 3)


@pytest.mark.parametrize("judge_url", ["I think that they are the same."], indirect=True)
def test_a_reply_in_another_form_changes_nothing(tmp_path, judge_url):
    checked, books = examine(tmp_path, judge_url)
    assert checked.get_column("verdict").to_list() == ["correct", "incorrect", "incorrect"]
    assert books.counts == {"malformed": 1}
