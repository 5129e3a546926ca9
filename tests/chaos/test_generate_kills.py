"""SIGKILL at random instants over one generation job: nothing counted is lost, nothing counted is bought again.

The server counts what it was asked and what it completed. After every kill the store is read from outside: what is in
it then must stay there unchanged for ever, and the server must never be asked for it again. What was bought twice is
thereby only what was in flight at a kill.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import polars as pl
import pytest
from workers import contents, leave, start, wait_for, write_problems

from factory.atomic import read_json
from factory.run.parts import read_dropped, read_parts
from factory.sampling.store.journal import ResponseStore

FAULTS = {
    "429_after": 0.01,
    "500": 0.01,
    "reset_before": 0.01,
    "reset_during": 0.02,
    "bad_sse": 0.01,
    "split_unicode": 0.02,
}


USUAL = ["--concurrency", 16]


@pytest.fixture
def server(serve):
    return serve(faults=FAULTS, tokens=[5, 200], rate=600, chunk=5)


def kill_and_check(server, tmp_path, *, problems, samples, kills, longest, seed, concurrency=16, blind=0.3):
    """Kill lives of one job at random instants, `blind` of them without waiting for a first request."""
    draw = random.Random(seed)
    source, store, out = write_problems(tmp_path / "p.jsonl", problems), tmp_path / "store", tmp_path / "out"
    safe, asked_when_safe = {}, {}
    done = idle = early = 0
    path = []
    while done < kills:
        had = len(safe)
        process = start(
            server, source, out, samples=samples, store=store, more=["--concurrency", concurrency]
        )
        if draw.random() >= blind:
            wait_for_a_request(server, process)
        try:
            process.wait(timeout=draw.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            done += 1
        else:
            assert process.returncode == 0, process.stderr.read().decode()
            # All is bought: further kills fall into the reading back.
            shutil.rmtree(out)
            early += 1
        finally:
            process.wait()
            process.stderr.close()
        if not (store / "responses.sqlite").exists():
            continue
        time.sleep(0.02)
        now, asked = contents(store), server.get("asked")
        for name, stored in safe.items():
            assert now.get(name) == stored, f"lost or changed after kill {done}: {name}"
            assert asked[name] == asked_when_safe[name], f"bought again after kill {done}: {name}"
        for name in now.keys() - safe.keys():
            asked_when_safe[name] = asked[name]
        safe = now
        idle += len(safe) == had
        if done and done % (kills // 4 or 1) == 0:
            path.append(len(safe))
    process = start(server, source, out, samples=samples, store=store, more=["--concurrency", concurrency])
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()
    rows = read_parts(out)
    assert read_dropped(out) is None
    expected = [(f"q{i}", s) for i in range(problems) for s in range(samples)]
    assert rows.select("problem_id", "sample_index").rows() == expected
    assert set(rows["status"]) == {"complete"}
    final, asked, stats = contents(store), server.get("asked"), server.get("stats")
    for name, stored in safe.items():
        assert final[name] == stored
        assert asked[name] == asked_when_safe[name]
    return {
        "requests": problems * samples,
        "kills": done,
        "kills_before_a_new_row_was_safe": idle,
        "requests_in_flight": concurrency,
        "rows_safe_after_each_quarter_of_the_kills": path[:4],
        "lives_that_ended_before_their_kill": early,
        "rows": rows.height,
        "lost": len(safe.keys() - final.keys()),
        "completed_by_server": stats["completed"],
        "in_flight_at_a_kill_and_bought_again": stats["completed"] - stats["completed_identities"],
        "counted_and_bought_again": sum(asked[n] != asked_when_safe[n] for n in safe),
    }


def wait_for_a_request(server, process):
    """Until this life asks something, so that most kills fall into the work and not into the start."""
    before = server.get("stats")["asked"]
    while process.poll() is None and server.get("stats")["asked"] == before:
        time.sleep(0.01)


def test_kills_lose_nothing(server, tmp_path):
    figures = kill_and_check(server, tmp_path, problems=60, samples=4, kills=6, longest=0.5, seed=1)
    assert figures["kills"] >= 4
    assert figures["in_flight_at_a_kill_and_bought_again"] <= 40 * figures["kills"]


@pytest.mark.long
def test_a_cap_holds_over_kills(server, tmp_path):
    """What was in flight at a kill counts with its worst case, so a job that dies again and again ends at its cap."""
    server.set(tokens=[200, 400], rate=100, chunk=5)
    source, out, store = write_problems(tmp_path / "p.jsonl", 40), tmp_path / "out", tmp_path / "store"
    more = ["--concurrency", 4, "--max-tokens", 512, "--price", "1,1000", "--max-usd", 6]
    for life in range(4):
        before = server.get("stats")["completion_tokens"]
        process = start(server, source, out, samples=1, store=store, more=more)
        wait_for(lambda before=before: server.get("stats")["completion_tokens"] >= before + 40 or life == 3)
        if life < 3:
            os.killpg(process.pid, signal.SIGKILL)
        errors = process.communicate(timeout=120)[1].decode()
        stats = server.get("stats")
        delivered = (stats["prompt_tokens"] + 1000 * stats["completion_tokens"]) / 1e6
        with ResponseStore(store) as opened:
            booked, _ = opened.spent(read_json(out / "__side" / "_job.json")["job"])
        assert delivered <= booked <= 6.0
    assert process.returncode == 3
    assert "requests were in flight when this job was killed" in errors and "budget spent" in errors


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_two_hundred_kills_over_two_thousand_requests(server, tmp_path):
    """Answers are short beside a life, so that nearly every life makes progress and the kills fall all over the job."""
    server.set(faults=FAULTS, tokens=[20, 120], rate=400, chunk=5)
    figures = kill_and_check(
        server, tmp_path, problems=500, samples=4, kills=200, longest=0.8, seed=2, concurrency=8, blind=0.1
    )
    assert figures["kills"] == 200
    leave(figures)


@pytest.mark.long
def test_two_processes_share_one_store_and_buy_everything_once(server, tmp_path):
    source = write_problems(tmp_path / "p.jsonl", 40)
    outs = [tmp_path / "a", tmp_path / "b"]
    running = [start(server, source, out, samples=4, store=tmp_path / "store", more=USUAL) for out in outs]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    stats = server.get("stats")
    assert stats["completed"] == stats["completed_identities"] == 160
    first, second = (read_parts(out) for out in outs)
    assert first.height == 160
    assert first.equals(second)


@pytest.mark.long
def test_a_killed_process_leaves_no_claim_behind(server, tmp_path):
    source = write_problems(tmp_path / "p.jsonl", 20)
    one = start(server, source, tmp_path / "a", samples=8, store=tmp_path / "store", more=USUAL)
    while not server.get("stats")["open"]:
        time.sleep(0.02)
    two = start(server, source, tmp_path / "b", samples=8, store=tmp_path / "store", more=USUAL)
    os.killpg(one.pid, signal.SIGKILL)
    one.wait()
    one.stderr.close()
    _, errors = two.communicate(timeout=60)
    assert two.returncode == 0, errors.decode()
    assert read_parts(tmp_path / "b").height == 160


@pytest.mark.long
def test_ctrl_c_exits_three_and_goes_on(server, tmp_path):
    """Large enough (some 12 s of work) that no attempt is over before the signal reaches it."""
    source = write_problems(tmp_path / "p.jsonl", 100)
    for sign in (signal.SIGINT, signal.SIGTERM):
        process = start(server, source, tmp_path / "out", samples=12, store=tmp_path / "store", more=USUAL)
        before = server.get("stats")["completed"]
        while server.get("stats")["completed"] < before + 20:
            time.sleep(0.02)
        process.send_signal(sign)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 3, errors.decode()
        assert b"run the same command again" in errors
        assert b"Traceback" not in errors
    process = start(server, source, tmp_path / "out", samples=12, store=tmp_path / "store", more=USUAL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    assert read_parts(tmp_path / "out").height == 1200
    stats = server.get("stats")
    assert stats["completed"] - stats["completed_identities"] <= 2 * 16
    assert pl.Series(server.get("log")).n_unique() == 1200
