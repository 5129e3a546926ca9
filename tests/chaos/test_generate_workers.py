"""One job over several real processes: same bytes, one budget, one rate limit, and nothing lost when any of them dies.

A worker's lease ledger is a file, so its owner is whoever started the job: killing that one is killing the owner.
"""

import os
import random
import signal
import sqlite3
import time
from contextlib import closing

import pytest
from workers import children, contents, end, start, wait_for, write_problems

from factory.atomic import read_json
from factory.run.parts import check_parts, read_parts
from factory.sampling.store.journal import ResponseStore
from factory.sampling.store.journals import journal_names

SLOW = {"tokens": [20, 200], "rate": 400, "chunk": 10}
HANG_UP_SECONDS = 0.1
"""An answer that the server ends so near to a client's leaving may still have been on its way."""


@pytest.fixture
def spread(serve, tmp_path):
    """`spread(n, **settings)`: a function that starts the job with so many workers, and its server."""

    def make(problems, samples, **settings):
        server = serve(**settings)
        source = write_problems(tmp_path / "p.jsonl", problems)

        def begin(workers, out="out", store="store", more=()):
            return start(
                server,
                source,
                tmp_path / out,
                samples=samples,
                store=tmp_path / store,
                workers=workers,
                more=more,
            )

        return begin, server

    return make


def held(journal):
    """Responses in one journal."""
    with closing(sqlite3.connect(journal)) as beside:
        return beside.execute("SELECT COUNT(*) FROM response").fetchone()[0]


@pytest.mark.long
def test_the_rows_are_the_bytes_of_one_worker_and_each_is_bought_once(spread, tmp_path):
    begin, server = spread(60, 4, tokens=[5, 60])
    code, said = end(begin(3, "three"))
    assert code == 0, said
    stats = server.get("stats")
    assert stats["completed"] == stats["completed_identities"] == stats["asked"] == 240
    with ResponseStore(tmp_path / "store") as store:
        assert sum(row["responses"] for row in store.summary()) == 240
    names = journal_names(tmp_path / "store")
    assert names == [f"responses-{n:05d}.sqlite" for n in range(3)] + ["responses.sqlite"]
    shares = [held(tmp_path / "store" / name) for name in names]
    assert sum(shares) == 240 and shares[3] == 0 and min(shares[:3]) > 40
    code, said = end(begin(1, "one", "other"))
    assert code == 0, said
    one, three = (tmp_path / out / "part-00000.parquet" for out in ("one", "three"))
    assert one.read_bytes() == three.read_bytes()
    check_parts(tmp_path / "three")
    code, said = end(begin(2, "two"))
    assert code == 0, said
    assert server.get("stats")["asked"] == 480, "two workers find what three have bought"
    assert (tmp_path / "two" / "part-00000.parquet").read_bytes() == one.read_bytes()


@pytest.mark.long
def test_tokens_never_exceed_the_cap_in_sum_and_hardly_fall_short(spread, tmp_path):
    workers = 3
    # One word a token: this server tells the truth. Of several words that it calls one token, the words are booked.
    begin, server = spread(50, 4, tokens=[5, 120], text="\\boxed{7}")
    more = ["--max-tokens", 128, "--max-tokens-total", 5_000, "--concurrency", 16]
    code, said = end(begin(workers, more=more))
    assert code == 3, said
    assert "budget spent" in said
    with ResponseStore(tmp_path / "store") as store:
        bought = sum(row["completion_tokens"] for row in store.summary())
        assert sum(row["responses"] for row in store.summary()) == server.get("stats")["completed"]
    assert 5_000 - 128 < bought <= 5_000
    served = sum(tokens for _, tokens in server.get("times"))
    assert served == bought
    code, said = end(begin(workers, more=more))
    assert code == 3, said
    assert sum(tokens for _, tokens in server.get("times")) == served, "the cap holds over attempts"
    more[3] = 200_000
    code, said = end(begin(workers, more=more))
    assert code == 0, said
    assert server.get("stats")["completed"] == 200
    assert read_parts(tmp_path / "out").height == 200


@pytest.mark.long
def test_dollars_hold_while_workers_are_killed(spread, tmp_path):
    """What a killed worker had on lease comes back, less what its journal shows: answers, and requests in flight."""
    begin, server = spread(120, 4, **SLOW)
    more = ["--max-tokens", 256, "--price", "1,2", "--max-usd", "0.06", "--concurrency", 24]
    job = begin(3, more=more)
    draw = random.Random(3)
    for _ in range(3):
        wait_for(lambda: server.get("stats")["open"] >= 6)
        time.sleep(0.4)
        os.kill(draw.choice(wait_for(lambda: children(job.pid))), signal.SIGKILL)
        time.sleep(0.6)
    code, said = end(job)
    assert code == 3, said
    with ResponseStore(tmp_path / "store") as store:
        spent, _ = store.spent(read_json(tmp_path / "out" / "__side" / "_job.json")["job"])
        assert spent > sum(row["usd"] for row in store.summary())
    assert 0.06 - 0.0006 < spent <= 0.06
    stats = server.get("stats")
    assert (stats["prompt_tokens"] + 2 * stats["completion_tokens"]) / 1e6 <= spent
    assert stats["completed"] - stats["completed_identities"] <= 3 * 24


def in_any_window(times, seconds):
    """Most requests within `seconds`, wherever the window lies."""
    stamps, start, most = sorted(t for t, _ in times), 0, 0
    for last, stamp in enumerate(stamps):
        while stamp - stamps[start] > seconds:
            start += 1
        most = max(most, last - start + 1)
    return most


@pytest.mark.long
def test_the_rate_holds_in_sum(spread):
    begin, server = spread(75, 4, tokens=[5, 20])
    code, said = end(begin(3, more=["--rpm", 1_800, "--concurrency", 120]))
    assert code == 0, said
    times = server.get("times")
    assert len(times) == 300
    # 30 a second, and five seconds' worth at once; half a second for what comes late on a busy machine.
    for seconds in (1.0, 3.0):
        assert in_any_window(times, seconds) <= 30 * (seconds + 5.5)
    stamps = sorted(t for t, _ in times)
    assert stamps[-1] - stamps[0] >= (300 - 150) / 30 - 0.5, "it was the limit that slowed the job"
    assert stamps[-1] - stamps[0] <= 20


def kill_at_random(begin, server, tmp_path, *, kills, seed, workers, rows):
    """Kill workers, or the process that started them, until so many kills are done; then let the job finish."""
    draw, safe, asked_when_safe, done, owners = random.Random(seed), {}, {}, 0, 0
    job = begin(workers)
    while done < kills:
        before = server.get("stats")["asked"]
        wait_for(lambda: job.poll() is not None or server.get("stats")["asked"] > before)
        time.sleep(draw.uniform(0.0, 0.5))
        if job.poll() is not None:
            break
        if done % 3 == 2:
            os.kill(job.pid, signal.SIGKILL)
            job.communicate()
            owners += 1
            wait_for(lambda: server.get("stats")["open"] == 0)
        else:
            os.kill(draw.choice(wait_for(lambda: children(job.pid))), signal.SIGKILL)
        done += 1
        time.sleep(0.05)
        now, asked = contents(tmp_path / "store"), server.get("asked")
        for name, stored in safe.items():
            assert now.get(name) == stored, f"lost or changed after kill {done}: {name}"
            assert asked[name] == asked_when_safe[name], f"bought again after kill {done}: {name}"
        if job.poll() is not None:
            # Nobody buys now, so what the server was asked for is settled.
            asked_when_safe |= {name: asked[name] for name in now.keys() - safe.keys()}
            safe = now
            job = begin(workers)
    code, said = end(job, timeout=200)
    assert code == 0, said
    assert read_parts(tmp_path / "out").height == rows
    final, asked, stats = contents(tmp_path / "store"), server.get("asked"), server.get("stats")
    for name, stored in safe.items():
        assert final[name] == stored
        assert asked[name] == asked_when_safe[name]
    return {
        "kills": done,
        "owners": owners,
        "twice": stats["completed"] - stats["completed_identities"],
        "rows": len(final),
    }


def test_kills_of_workers_and_of_their_owner_lose_nothing(spread, tmp_path):
    begin, server = spread(60, 4, **SLOW)
    begun = lambda workers: begin(workers, more=["--concurrency", 16])  # noqa: E731
    found = kill_at_random(begun, server, tmp_path, kills=3, seed=5, workers=2, rows=240)
    assert (found["kills"], found["owners"], found["rows"]) == (3, 1, 240)
    assert found["twice"] <= 16 * found["kills"]


@pytest.mark.slow
def test_many_kills_of_workers_and_of_their_owner_lose_nothing(spread, tmp_path):
    begin, server = spread(500, 4, tokens=[40, 400], rate=450, chunk=15)
    begun = lambda workers: begin(workers, more=["--concurrency", 32])  # noqa: E731
    found = kill_at_random(begun, server, tmp_path, kills=30, seed=6, workers=4, rows=2_000)
    assert (found["kills"], found["owners"], found["rows"]) == (30, 10, 2_000)
    assert found["twice"] <= 32 * found["kills"]


@pytest.mark.slow
def test_two_spread_jobs_share_a_store_and_buy_everything_once(spread, tmp_path):
    begin, server = spread(60, 4, **SLOW)
    both = [begin(2, out, more=["--concurrency", 8]) for out in "ab"]
    for code, said in map(end, both):
        assert code == 0, said
    stats = server.get("stats")
    assert stats["completed"] == stats["completed_identities"] == 240
    a, b = (tmp_path / out / "part-00000.parquet" for out in "ab")
    assert a.read_bytes() == b.read_bytes()


@pytest.mark.slow
def test_orphans_end_with_their_owner_and_leave_the_seats_free(spread, tmp_path):
    begin, server = spread(100, 4, **SLOW)
    job = begin(2, more=["--concurrency", 16])
    wait_for(lambda: server.get("stats")["open"] > 4)
    orphans = wait_for(lambda: children(job.pid))
    os.kill(job.pid, signal.SIGKILL)
    job.communicate()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in orphans), seconds=10)
    code, said = end(begin(2))
    assert code == 0, said
    assert read_parts(tmp_path / "out").height == 400


@pytest.mark.long
def test_ctrl_c_ends_all_and_the_same_command_goes_on(spread, tmp_path):
    begin, server = spread(200, 4, **SLOW)
    slow = ["--concurrency", 16]
    for sign in (signal.SIGINT, signal.SIGTERM):
        job = begin(2, more=slow)
        before = server.get("stats")["completed"]
        wait_for(lambda: server.get("stats")["completed"] > before + 20)
        orphans = children(job.pid)
        os.killpg(job.pid, sign) if sign == signal.SIGINT else job.send_signal(sign)
        code, said = end(job, timeout=30)
        assert code == 3, said
        assert "run the same command again" in said
        assert "Traceback" not in said
        assert not any(os.path.exists(f"/proc/{pid}") for pid in orphans)
        kept, ends = contents(tmp_path / "store"), server.get("ends")
        assert len(kept) < 800
        lost = {name: at for name, at in ends["answers"] if name not in kept}
        late = [
            at for at in lost.values() if all(abs(at - left) > HANG_UP_SECONDS for left in ends["hang_ups"])
        ]
        assert not late, "what had arrived was committed"
        assert len(lost) <= 8
    code, said = end(begin(2))
    assert code == 0, said
    assert read_parts(tmp_path / "out").height == 800


def test_what_one_worker_refuses_is_one_line(spread):
    begin, _ = spread(10, 2, key="right")
    code, said = end(begin(2))
    assert code == 2
    assert "HTTP 401" in said
    assert len(said.strip().splitlines()) == 1
    for flags in (["--accept", 3], ["--batch"]):
        code, said = end(begin(2, more=flags))
        assert code == 2
        assert "one worker only" in said


@pytest.mark.slow
def test_ray_workers_write_the_bytes_of_one(spread, tmp_path):
    pytest.importorskip("ray")
    begin, server = spread(40, 3, tokens=[5, 60])
    for workers, out, more in ((1, "one", []), (2, "ray", ["--engine", "ray"])):
        code, said = end(begin(workers, out, f"store-{out}", more=more))
        assert code == 0, said
    assert server.get("stats")["completed"] == 240
    one, ray = (tmp_path / out / "part-00000.parquet" for out in ("one", "ray"))
    assert one.read_bytes() == ray.read_bytes()
    assert len(journal_names(tmp_path / "store-ray")) == 3
