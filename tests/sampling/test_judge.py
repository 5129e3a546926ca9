"""One judge, one budget: whatever asks, however often it is started again."""

import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import polars as pl
import pytest

from factory.config.endpoint import Judge
from factory.config.verify import VerifySection
from factory.decontamination.near import judged_same
from factory.errors import FactoryError, Stopped, UsageError
from factory.sampling.judge import ask_judge
from factory.sampling.schedule import Schedule
from factory.sampling.store.journal import ResponseStore
from factory.steps import verify, verify_part

CAP = 0.01
PRICE = (1.0, 20.0)


def paid(server):
    """What the server delivered, in dollars: a word of the prompt and a piece of the reply are a token each."""
    stats = server.get("stats")
    return (stats["prompt_tokens"] * PRICE[0] + stats["completion_tokens"] * PRICE[1]) / 1e6


def wrong_answers(path, count, first=0):
    rows = [
        {"problem": f"What is {i} + 0?", "answer": f"{i}", "response": f"\\boxed{{{i + 1}}}"}
        for i in range(first, first + count)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))


def test_the_cap_holds_over_frames_restarts_and_verbs(tmp_path, serve, monkeypatch):
    server = serve(text="It is another.\nVERDICT: DIFFERENT", style="none", tokens=3)
    judge = Judge(preset="openai", model="j", base_url=server.url, price=PRICE, max_usd=CAP, max_tokens=64)
    monkeypatch.setattr(verify_part, "FRAME_ROWS", 40)
    wrong_answers(tmp_path / "rows.jsonl", 120)
    section = VerifySection(workers=1, judge=judge)
    store = tmp_path / "store"
    for _restart in range(3):
        with pytest.raises(Stopped, match="budget spent"):
            verify.run([str(tmp_path / "rows.jsonl")], tmp_path / "v", section, store=store)
        assert paid(server) <= CAP
        with pytest.raises(Stopped, match="budget spent"):
            judged_same([(f"text {i}", f"problem {i}") for i in range(200)], judge, store)
        assert paid(server) <= CAP
    assert paid(server) > 0.5 * CAP
    with ResponseStore(store) as opened:
        assert paid(server) <= opened.spent("judge")[0] + 1e-9


def _ask(arguments):
    judge, number, store = arguments
    try:
        ask_judge(
            judge,
            {f"{number}-{i}": f"question {number} {i} " + "word " * 30 for i in range(250)},
            store=store,
            what="judge",
        )
    except Stopped:
        return True
    return False


def test_processes_at_the_same_time_share_the_cap(tmp_path, serve):
    server = serve(text="VERDICT: SAME", style="none", tokens=3, latency=0.02)
    judge = Judge(preset="openai", model="j", base_url=server.url, price=PRICE, max_usd=CAP, max_tokens=64)
    work = [(judge, number, tmp_path / "store") for number in range(3)]
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        assert any(pool.map(_ask, work))
    assert paid(server) <= CAP


def test_a_cap_in_dollars_needs_a_price(tmp_path):
    judge = Judge(preset="openai", model="j", base_url="http://127.0.0.1:9/v1", max_usd=0.000001)
    with pytest.raises(UsageError, match="needs a price"):
        ask_judge(judge, {"a": "b"}, store=tmp_path / "store", what="judge")


def test_the_same_question_is_paid_for_once_by_all(tmp_path, serve):
    server = serve(text="VERDICT: SAME", style="none")
    judge = Judge(preset="openai", model="j", base_url=server.url)
    for _ in range(3):
        replies = ask_judge(judge, {"a": "x", "b": "x", "c": "y"}, store=tmp_path / "store", what="judge")
        assert replies["problem_id"].to_list() == ["a", "b", "c"]
        assert isinstance(replies, pl.DataFrame)
    assert server.get("stats")["asked"] == 2


def test_a_judge_that_only_fails_is_a_failure(tmp_path, serve, monkeypatch):
    monkeypatch.setattr("factory.sampling.problems.Schedule", partial(Schedule, tries=1))
    server = serve(faults={"500": 1.0}, per_request=10_000)
    judge = Judge(preset="openai", model="j", base_url=server.url)
    with pytest.raises(FactoryError, match="all 3 requests to the judge failed, one of them with: HTTP 500"):
        ask_judge(judge, {"a": "x", "b": "y", "c": "z"}, store=tmp_path / "store", what="judge")
    server.set(faults={})
    replies = ask_judge(judge, {"a": "x", "b": "y", "c": "z"}, store=tmp_path / "store", what="judge")
    assert replies.height == 3, "what failed is owed"
