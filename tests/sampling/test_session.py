"""The end of a job: what this session asked, got and cost, not what was stored before it."""

import pytest

from factory.sampling.sampler import Completion
from factory.sampling.session import LATENCIES, Session, session_lines, together
from schemas import ResponseStatus as Status
from tests.servers.running import servers
from tests.support.cli import run_factory


def answer(status=Status.COMPLETE, **changed):
    values = {"prompt_tokens": 10, "completion_tokens": 100, "usd": 0.01, **changed}
    return Completion("x" * 300, "y" * 100, status, **values)


def session(*completions, found=0, attempts=0, **broken):
    made = Session(attempts=attempts)
    for each in completions:
        made.see(each, True)
    for _ in range(found):
        made.see(answer(), False)
    made.broken.update(broken)
    return made


def test_answers_that_were_there_are_no_part_of_tokens_cost_or_pace():
    facts = session(answer(), answer(reasoning_tokens=90), found=1_000, attempts=2).facts()
    assert (facts["answered"], facts["reused"], facts["usd"]) == (2, 1_000, 0.02)
    assert facts["completion_tokens"] == 200 and facts["reasoning_tokens"] == 75 + 90
    facts["seconds"] = 4.0
    lines = session_lines(facts, accepted=1, of=2)
    assert lines == [
        "this session: 2 answered, 1,000 reused; 2 attempts",
        "tokens: 165 reasoning, 35 answer, 20 prompt",
        "pace: 0.5/s",
        "cost: $0.02; accept rate 50.0%; $0.02 per correct row",
    ]


def test_attempts_that_failed_are_named_by_kind_and_hints_fit():
    cut = [answer(Status.CUT_IN_REASONING)] * 2 + [answer()] * 96
    facts = session(*cut, answer(Status.FAILED), attempts=140, throttled=20, server=3).facts()
    said = session_lines(facts)
    assert (
        said[0]
        == "this session: 98 answered, 0 reused, 1 failed; 140 attempts: 3 server errors, 20 throttled (429)"
    )
    assert said[-3:] == [
        "hint: 2.0% truncated: --truncation larger",
        "hint: 14.3% of the attempts were throttled: --rpm N, or a lower --concurrency",
        "hint: 1 requests failed: the same command retries them",
    ]
    assert "hint: 2.0% truncated: generate.truncation=larger" in session_lines(facts, in_recipe=True)
    assert "hint: 2.0% truncated: a larger --max-tokens" in session_lines(facts, policy="larger")


def test_a_loop_is_not_called_truncated_and_few_truncated_ones_give_no_hint():
    facts = session(
        *[answer(Status.LOOPED)] * 50, *[answer()] * 150, answer(Status.CUT_IN_ANSWER), attempts=201
    ).facts()
    assert not [line for line in session_lines(facts) if "hint" in line]


def test_no_price_is_said_and_nothing_asked_costs_nothing():
    assert "cost: no price is known (--price IN,OUT)" in session_lines(
        session(answer(usd=None), attempts=1).facts()
    )
    assert session_lines(session(found=3).facts()) == ["this session: 0 answered, 3 reused"]


def test_sessions_add_up_and_latencies_stay_few():
    one, two = session(answer(), attempts=1), session(answer(), found=2, attempts=3, server=2)
    for each in range(2 * LATENCIES):
        one.took(each / LATENCIES)
    assert len(one.latencies) == LATENCIES
    facts = together([one, two]).facts()
    assert (facts["answered"], facts["reused"], facts["attempts"], facts["broken"]) == (
        2,
        2,
        4,
        {"server": 2},
    )
    assert 0.9 < facts["latency_median"] < 1.1 and 1.8 < facts["latency_p95"] < 2.0


@pytest.mark.parametrize("workers", [None, 2])
def test_a_second_session_says_what_it_asked_itself(workers, tmp_path):
    words = ("generate", "procedural:countdown?count=6", "--teacher", "procedural", "--store", "store")
    words += ("--workers", workers) if workers else ()
    first = run_factory(*words, "--samples", 1, "--out", "a", cwd=tmp_path)
    assert "this session: 6 answered, 0 reused" in first.stdout, first.stderr
    second = run_factory(*words, "--samples", 3, "--out", "b", cwd=tmp_path)
    assert "this session: 12 answered, 6 reused" in second.stdout
    again = run_factory(*words, "--samples", 3, "--out", "b", cwd=tmp_path)
    assert "this session" not in again.stdout and "nothing to do" in again.stdout


def test_a_budget_that_is_spent_ends_with_what_the_session_came_to(tmp_path):
    with servers() as serve:
        url = serve(model="m").url
        words = ("procedural:countdown?count=40", "--teacher", "vllm", "--model", "m", "--base-url", url)
        caps = ("--price", "10,1000", "--max-usd", "0.5", "--max-tokens", "64", "--concurrency", "2")
        done = run_factory("generate", *words, *caps, "--out", "a", cwd=tmp_path, FACTORY_PROGRESS="log")
    assert done.returncode == 3, done.stderr
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("factory: ") and "budget" in last
    assert "this session: " in done.stderr and "cost: $0." in done.stderr
