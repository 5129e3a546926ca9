"""Whatever a server does, the job goes on, every request ends, and what was delivered is booked."""

import polars as pl
import pytest
from lying_server import BEHAVIOURS, ENDS, KEY, WELL, LyingServer

from factory.errors import FactoryError
from factory.sampling import SamplingParams
from factory.sampling.budget import Budget, Prices
from factory.sampling.concurrency import AdaptiveLimit
from factory.sampling.http import HttpSampler
from factory.sampling.presets import Preset
from factory.sampling.problems import sample_problems
from factory.sampling.schedule import Schedule
from factory.sampling.store.journal import ResponseStore

PRICES = Prices(1.0, 1_000.0, "test")
PRESET = Preset("lying", None, None, None, reasons=False, prices=PRICES)
MAX_TOKENS = 200


@pytest.fixture(scope="module")
def server():
    running = LyingServer()
    yield running
    running.stop()


def ask(server, name, folder, max_usd=None):
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
                SamplingParams(max_tokens=MAX_TOKENS),
                prompt="{problem}",
                store=store,
                schedule=schedule,
                budget=Budget(max_usd, prices=PRICES),
                job="job",
            )
        except FactoryError as error:
            ended = str(error)
        return rows, store.spent("job")[0], ended


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_behaviour(server, name, tmp_path, capsys):
    before = list(server.delivered[name])
    rows, usd, ended = ask(server, name, tmp_path)
    requests, prompt, completion = (b - a for a, b in zip(before, server.delivered[name], strict=True))
    assert 1 <= requests <= 3
    assert usd >= PRICES.cost(prompt, completion) - 1e-9
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


def test_there_are_enough():
    assert len(BEHAVIOURS) >= 60


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


def ask_capped(server, name, folder, cap):
    sampler = HttpSampler(PRESET, name, [server.url], KEY, gap_seconds=0.2)
    schedule = Schedule(limit=AdaptiveLimit(fixed=2), tries=5, base_pause=0.01)
    problems = pl.DataFrame(
        {"id": [f"q{i}" for i in range(4)], "problem": [f"What is {i} ?" for i in range(4)]}
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
