"""Whatever a server does, the job goes on, every request ends, and what was delivered is booked."""

import asyncio
import re
from pathlib import Path

import polars as pl
import pytest

from factory.errors import FactoryError
from factory.sampling import SamplingParams
from factory.sampling.budget import Budget
from factory.sampling.http import HttpSampler
from factory.sampling.limits import AdaptiveLimit
from factory.sampling.presets import Preset, Prices
from factory.sampling.problems import sample_problems
from factory.sampling.response_parser import Reply
from factory.sampling.schedule import Schedule
from factory.sampling.store.journal import ResponseStore
from factory.sampling.stream import BEYOND_BYTES
from tests.servers.lying_server import BEHAVIOURS, ENDS, KEY, WELL, LyingServer

PRICES = Prices(1.0, 1_000.0, "test")
PRESET = Preset("lying", None, None, None, reasons=False, prices=PRICES)
MAX_TOKENS = 200


@pytest.fixture(scope="module")
def server():
    running = LyingServer()
    yield running
    running.stop()


ROOT = Path(__file__).parents[2]


def ask(server, name, folder, max_usd=None, max_tokens=MAX_TOKENS):
    """One problem asked of one behaviour: (rows, dollars booked, the error that ended the job)."""
    sampler = HttpSampler(PRESET, name, [server.url], KEY, gap_seconds=0.3)
    schedule = Schedule(limit=AdaptiveLimit(fixed=4), tries=2, base_pause=0.01)
    problems = pl.DataFrame({"id": ["q"], "problem": ["What is two and two ?"], "source": "test"})
    rows, ended = None, ""
    with ResponseStore(folder) as store:
        try:
            rows = sample_problems(
                problems,
                sampler,
                1,
                SamplingParams(max_tokens=max_tokens),
                prompt="{problem}",
                store=store,
                schedule=schedule,
                budget=Budget(max_usd, prices=PRICES),
                job="job",
            )
        except FactoryError as error:
            ended = str(error)
    with ResponseStore(folder) as store:  # all that was on its way to the disk is there
        return rows, store.spent("job")[0], ended


def asked(server, name, folder, **options):
    """The same with what the server delivered: (rows, dollars booked, dollars delivered, requests, error)."""
    before = list(server.delivered[name])
    rows, usd, ended = ask(server, name, folder, **options)
    requests, prompt, completion = (b - a for a, b in zip(before, server.delivered[name], strict=True))
    return rows, usd, PRICES.cost(prompt, completion), requests, ended


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_behaviour(server, name, tmp_path, capsys):
    rows, usd, delivered, requests, ended = asked(server, name, tmp_path)
    assert 1 <= requests <= 3
    assert usd >= delivered - 1e-9
    assert usd < PRICES.cost(10_000, 3 * 20 * MAX_TOKENS)
    text = f"{rows} {ended} {capsys.readouterr()}"
    assert KEY not in text
    assert "\x1b" not in text
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    status = rows["status"][0] if rows is not None else ""
    if name in WELL:
        assert status == "complete", rows["error"]
    elif name in ENDS:
        assert status not in ("complete", "no_reasoning", "failed")
    elif name == "bad_400" or name.startswith("redirect"):
        assert ended
    else:
        assert status in ("complete", "no_reasoning", "failed", "cut_in_answer"), name
    assert server.elsewhere == 0, "nothing is sent to another host"


def test_the_pages_show_every_behaviour_and_none_that_is_booked_below_what_it_delivered():
    row = re.compile(r"^\| (\w+) \| (\d) \| ([\d.]+) \| ([\d.]+) \| [\w ]+ \|$", re.M)
    page, telling = (
        row.findall((ROOT / name).read_text("utf-8")) for name in ("docs/servers.md", "docs/guarantees.md")
    )
    assert [name for name, *_ in page] == list(BEHAVIOURS)
    assert len(BEHAVIOURS) >= 60
    assert all(float(booked) >= float(delivered) for *_, delivered, booked in page)
    assert len(telling) >= 10 and set(telling) <= set(page)


def test_a_loop_is_booked_at_its_whole_reservation(server, tmp_path):
    rows, usd, delivered, _, _ = asked(server, "endless", tmp_path, max_tokens=50_000)
    assert rows["status"].to_list() == ["looped"]
    assert usd >= max(delivered, PRICES.cost(0, 50_000))


@pytest.mark.parametrize("broken", ["counting", "broken attempts"])
def test_the_table_sees_a_booking_that_is_broken(server, tmp_path, monkeypatch, broken):
    if broken == "counting":
        name = "usage_one"
        monkeypatch.setattr("factory.sampling.response_parser.booked", lambda said, counted: said)
    else:
        name = "cut"
        monkeypatch.setattr(Schedule, "_broke", lambda self, *rest: asyncio.sleep(0))
    _, usd, delivered, _, _ = asked(server, name, tmp_path)
    assert usd < delivered


@pytest.mark.parametrize(("late", "unseen"), [(0, 999), (500, 499), (1_500, 1_000)])
def test_what_comes_after_a_cut_is_counted_and_the_rest_of_the_reservation_booked(late, unseen):
    reply = Reply(max_tokens=1_000)
    event = b'data: {"choices": [{"delta": {"content": "w "}}]}\n\n'
    reply.feed(event)
    reply.looped = reply.ended = True
    reply.count_on(event * late)
    completion = HttpSampler(PRESET, "m", ["http://h/v1"])._with_unseen(reply.completion(), reply, 1_000)
    assert completion.completion_tokens == 1 + late
    assert completion.content == "w", "its text is not kept"
    assert completion.unseen.completion_tokens == unseen
    assert completion.unseen.usd == PRICES.cost(0, unseen)


def test_a_cap_is_exceeded_by_no_more_than_what_was_in_flight(server, tmp_path):
    """By a server that ignores max_tokens; and once the cap is booked nothing more is sent."""
    cap, flying = PRICES.cost(0, 5 * MAX_TOKENS), 2
    before, delivered = list(server.delivered["endless"]), []
    for _restart in range(3):
        _, booked, ended = ask_capped(server, "endless", tmp_path, cap, count=12)
        delivered.append(server.delivered["endless"][2] - before[2])
        assert "budget spent" in ended
    line = len(
        b'data: {"model": "m", "choices": [{"index": 0, "delta": {"content": "w "}, "finish_reason": null}]}'
    )
    assert PRICES.cost(0, delivered[0]) <= cap + flying * PRICES.cost(0, BEYOND_BYTES // line)
    assert delivered[1:] == delivered[:1] * 2
    assert booked >= PRICES.cost(0, delivered[0])


@pytest.mark.parametrize("name", ["cut", "stalls", "error_event"])
def test_a_cap_holds_over_restarts_of_a_broken_stream(server, name, tmp_path):
    cap = PRICES.cost(400, 2 * MAX_TOKENS)
    before, ended = list(server.delivered[name]), ""
    for _number in range(12):
        _, _, ended = ask_capped(server, name, tmp_path, cap)
        if ended:
            break
    spent = PRICES.cost(*(b - a for a, b in zip(before[1:], server.delivered[name][1:], strict=True)))
    assert spent <= cap
    assert "budget spent" in ended, "the cap is met in the end, in one line"


def ask_capped(server, name, folder, cap, count=4):
    sampler = HttpSampler(PRESET, name, [server.url], KEY, gap_seconds=0.2)
    schedule = Schedule(limit=AdaptiveLimit(fixed=2), tries=5, base_pause=0.01)
    problems = pl.DataFrame(
        {"id": [f"q{i}" for i in range(count)], "problem": [f"What is {i} ?" for i in range(count)]}
    )
    with ResponseStore(folder) as store:
        usd, tokens = store.spent("job")
        budget = Budget(cap, prices=PRICES, spent_usd=usd, spent_tokens=tokens)
        try:
            return (
                sample_problems(
                    problems.with_columns(source=pl.lit("test")),
                    sampler,
                    1,
                    SamplingParams(max_tokens=MAX_TOKENS),
                    prompt="{problem}",
                    store=store,
                    schedule=schedule,
                    budget=budget,
                    job="job",
                ),
                usd,
                "",
            )
        except FactoryError as error:
            return None, usd, str(error)
