"""The HTTP engine against a real server on loopback that fails on purpose."""

import asyncio
import time

import pytest

from factory.errors import FactoryError, Stopped, UsageError
from factory.sampling import SamplingParams, open_sampler, sample_problems, stream
from factory.sampling.limits import AdaptiveLimit
from factory.sampling.problems import planned
from factory.sampling.purchase import purchase
from factory.sampling.schedule import Schedule
from factory.sampling.store.journal import ResponseStore
from tests.servers import state

PARAMS = SamplingParams(max_tokens=64, seed=1)
HARMLESS = ("dup_finish", "split_unicode", "no_done", "no_usage")
SLOW = ("stall", "huge")
"""Faults with tests of their own."""
FAULTS = tuple(fault for fault in state.FAULTS if fault not in (*HARMLESS, *SLOW))


def quick(**options):
    return Schedule(limit=AdaptiveLimit(fixed=16), base_pause=0.01, **options)


def ask(server, frame, store, *, samples=2, teacher="vllm", schedule=None, params=PARAMS, **options):
    sampler = open_sampler(teacher, base_url=server.url, model="fake-r1", **options)
    return sample_problems(
        frame, sampler, samples, params, prompt="{problem}", store=store, schedule=schedule or quick()
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_every_request_is_answered_after_a_fault(serve, problems, tmp_path, fault):
    server = serve(faults={fault: 1.0}, per_request=1)
    rows = ask(server, problems(3), tmp_path / "s")
    stats = server.get("stats")
    assert stats["faults"] == {fault: 6}
    assert stats["completed"] == 6
    assert rows["status"].to_list() == ["complete"] * 6
    assert rows["reasoning"].n_unique() == 6


@pytest.mark.parametrize("fault", HARMLESS)
def test_untidy_streams_are_read_as_they_were_meant(serve, problems, tmp_path, fault):
    plain = ask(serve(), problems(2), tmp_path / "a")
    server = serve(faults={fault: 1.0}, per_request=9)
    untidy = ask(server, problems(2), tmp_path / "b")
    assert server.get("stats")["asked"] == 4
    columns = ["response_id", "reasoning", "content", "status", "completion_tokens"]
    assert untidy.select(columns).equals(plain.select(columns))


def test_a_stall_ends_after_the_gap_and_is_tried_again(serve, problems, tmp_path):
    server = serve(faults={"stall": 1.0}, per_request=1)
    rows = ask(server, problems(1), tmp_path / "s", samples=1, gap_seconds=0.3)
    assert rows["status"].to_list() == ["complete"]
    assert server.get("stats")["asked"] == 2


def test_a_slow_stream_is_no_stall(serve, problems, tmp_path):
    server = serve(tokens=12, rate=10)
    rows = ask(server, problems(1), tmp_path / "s", samples=1, gap_seconds=0.5)
    assert rows["status"].to_list() == ["complete"]
    assert server.get("stats")["asked"] == 1


def test_partial_text_is_kept_when_every_try_breaks(serve, problems, tmp_path):
    server = serve(faults={"reset_during": 1.0}, per_request=99)
    rows = ask(server, problems(1), tmp_path / "s", samples=1, schedule=quick(tries=3))
    assert rows["status"].to_list() == ["failed"]
    assert " let" in rows["reasoning"][0]
    assert rows["error"][0]
    assert server.get("stats")["asked"] == 3
    server.set(faults={})
    again = ask(server, problems(1), tmp_path / "s", samples=1)
    assert again["status"].to_list() == ["complete"], "a failed request is owed again"


def test_ten_megabytes_come_through(serve, problems, tmp_path):
    server = serve(faults={"huge": 1.0})
    large = SamplingParams(max_tokens=2_000_000, seed=1)
    rows = ask(server, problems(1), tmp_path / "s", samples=1, stop_loops=False, params=large)
    text = rows["reasoning"][0]
    assert len(text.encode()) > 10_000_000
    assert text.endswith("数学\U0001f600")


def test_nothing_is_asked_twice_over_the_same_store(serve, problems, tmp_path):
    server = serve()
    ask(server, problems(4), tmp_path / "s", samples=2)
    ask(server, problems(6), tmp_path / "s", samples=3)
    stats = server.get("stats")
    assert stats["asked"] == stats["identities"] == 18


@pytest.mark.parametrize(
    ("style", "reasons"),
    [("reasoning_content", True), ("reasoning", True), ("inline", True), ("no_open", True), ("none", False)],
)
def test_dialects(serve, problems, tmp_path, style, reasons):
    rows = ask(serve(style=style), problems(2), tmp_path / "s")
    assert rows["content"].str.starts_with("The answer is").all()
    assert rows["reasoning"].is_not_null().all() == reasons
    assert not rows["reasoning"].fill_null("").str.contains("think>").any()
    assert set(rows["status"]) == {"complete" if reasons else "no_reasoning"}


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"finish": "length"}, "cut_in_reasoning"),
        ({"finish": "length", "style": "inline"}, "cut_in_reasoning"),
        ({"finish": "length", "style": "none"}, "cut_in_answer"),
        ({"finish": "content_filter"}, "refused"),
        ({"style": "refusal"}, "refused"),
        ({"style": "none", "text": " "}, "empty"),
    ],
)
def test_statuses(serve, problems, tmp_path, settings, status):
    rows = ask(serve(**settings), problems(1), tmp_path / "s", samples=1)
    assert rows["status"].to_list() == [status]


def test_a_cut_answer_is_not_asked_for_again_at_the_same_budget(serve, problems, tmp_path):
    server = serve(finish="length")
    ask(server, problems(2), tmp_path / "s")
    ask(server, problems(2), tmp_path / "s")
    assert server.get("stats")["asked"] == 4


def test_a_loop_is_cut_short_and_kept(serve, problems, tmp_path):
    server = serve(tokens=60_000, rate=5_000, chunk=50, loop=True)
    rows = ask(
        server, problems(1), tmp_path / "s", samples=1, params=SamplingParams(max_tokens=60_000, seed=1)
    )
    assert rows["status"].to_list() == ["looped"]
    assert 100 < rows["completion_tokens"][0] < 6_000
    assert server.get("stats")["aborted"] == 1


def test_wrong_key_is_one_line(serve, problems, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    server = serve(key="right")
    with pytest.raises(UsageError, match="HTTP 401") as caught:
        ask(server, problems(1), tmp_path / "s", api_key_env="MY_KEY")
    assert "sk-very-secret" not in str(caught.value)
    monkeypatch.setenv("MY_KEY", "right")
    rows = ask(server, problems(1), tmp_path / "s", api_key_env="MY_KEY")
    assert rows["status"].to_list() == ["complete"] * 2
    for path in (tmp_path / "s").iterdir():
        assert b"right" not in path.read_bytes()


def test_unreachable_endpoint_is_one_line_and_soon(problems, tmp_path):
    class Nowhere:
        url = "http://127.0.0.1:9/v1"

    with pytest.raises(FactoryError, match="cannot reach http://127"):
        ask(Nowhere, problems(50), tmp_path / "s")


def test_an_outage_stops_the_job_and_keeps_what_was_bought(serve, problems, tmp_path):
    server = serve(faults={"500": 1.0}, per_request=10_000)
    with pytest.raises(Stopped, match="in a row failed"):
        ask(server, problems(100), tmp_path / "s", schedule=quick(tries=2))
    assert server.get("stats")["asked"] < 150


def test_failover_to_the_endpoint_that_works(serve, problems, tmp_path):
    broken, well = serve(faults={"500": 1.0}, per_request=10_000), serve()

    class Both:
        url = f"{broken.url},{well.url}=2"

    rows = ask(Both, problems(60), tmp_path / "s")
    assert set(rows["status"]) == {"complete"}
    assert broken.get("stats")["asked"] < 30


def test_endpoints_share_by_weight(serve, problems, tmp_path):
    one, two = serve(), serve()

    class Both:
        url = f"{one.url},{two.url}=3"

    ask(Both, problems(40), tmp_path / "s")
    assert one.get("stats")["asked"] == 20
    assert two.get("stats")["asked"] == 60


def test_many_faults_at_once_over_many_requests(serve, problems, tmp_path):
    faults = dict.fromkeys(FAULTS, 0.04) | dict.fromkeys(HARMLESS, 0.02)
    server = serve(faults=faults, per_request=3, retry_after=0.05)
    rows = ask(server, problems(100), tmp_path / "s", samples=3)
    assert set(rows["status"]) == {"complete"}
    assert rows["reasoning"].n_unique() == 300
    stats = server.get("stats")
    assert stats["completed_identities"] == 300
    assert sum(stats["faults"].values()) > 100


def test_an_answer_that_has_arrived_unread_is_kept_when_the_job_is_stopped(
    serve, problems, tmp_path, monkeypatch
):
    """A stream rests between reads; what the server finished meanwhile is paid for."""
    monkeypatch.setattr(stream, "REST_SECONDS", (60.0, 60.0))
    server = serve(tokens=60, rate=200, chunk=2)
    schedule = quick()
    sampler = open_sampler("vllm", base_url=server.url, model="fake-r1")

    async def stop_when_all_is_sent(store):
        rows = problems(4).iter_rows(named=True)
        buying = asyncio.create_task(
            purchase(
                planned(rows, 2, PARAMS, prompt="{problem}", system=None), sampler, store, schedule=schedule
            )
        )
        until = time.monotonic() + 30
        while (await asyncio.to_thread(server.get, "stats"))["completed"] < 8:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        assert schedule.in_flight == 8 and not buying.done(), "they rest"
        buying.cancel()
        await asyncio.gather(buying, return_exceptions=True)
        assert buying.cancelled()
        await sampler.aclose()

    with ResponseStore(tmp_path / "s") as store:
        asyncio.run(stop_when_all_is_sent(store))
    assert schedule.given_up == 0
    rows = ask(server, problems(4), tmp_path / "s")
    assert server.get("stats")["asked"] == 8, "nothing was bought again"
    assert rows["status"].to_list() == ["complete"] * 8
