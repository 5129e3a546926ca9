"""The response store: durable, shared, content-addressed, never twice."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.errors import FactoryError, UsageError
from factory.sampling.store.journal import ResponseStore, Stored, request_key, response_id, response_key

ROOT = Path(__file__).parents[3]


def stored(index=0, *, request="a" * 64, status="complete", text="answer", usd=0.5):
    return Stored(
        key=response_key(request, index),
        request_key=request,
        sample_index=index,
        sampler="fake",
        model="m",
        status=status,
        prompt_tokens=3,
        completion_tokens=7,
        usd=usd,
        body={"problem_id": "p", "reasoning": None, "content": text},
    )


def put(store, *items, **options):
    async def all_of_them():
        await asyncio.gather(*(store.put(item, {"body": item.request_key}, **options) for item in items))

    asyncio.run(all_of_them())


def test_what_was_put_is_there_for_the_next_process(tmp_path):
    with ResponseStore(tmp_path) as store:
        put(store, *(stored(i, text=f"t{i}") for i in range(50)))
    with ResponseStore(tmp_path) as store:
        assert store.get(response_key("a" * 64, 7)) == stored(7, text="t7")
        assert store.get(response_key("a" * 64, 50)) is None
        assert len(store.present([response_key("a" * 64, i) for i in range(2_000)])) == 50
        assert store.request("a" * 64) == {"body": "a" * 64}


def test_put_returns_only_after_the_commit(tmp_path):
    with ResponseStore(tmp_path) as store:
        put(store, stored())
        beside = sqlite3.connect(tmp_path / "responses.sqlite")
        assert beside.execute("SELECT COUNT(*) FROM response").fetchone() == (1,)
        beside.close()


def test_the_first_answer_stays_but_a_failed_one_is_replaced(tmp_path):
    with ResponseStore(tmp_path) as store:
        put(store, stored(status="failed", text="broken"))
        assert store.get(stored().key) is None
        assert [s.status for s in store.get_many([stored().key], failed=True)] == ["failed"]
        put(store, stored(text="first"))
        put(store, stored(text="second"))
        put(store, stored(status="failed"))
        assert store.get(stored().key).body["content"] == "first"


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(st.text(), st.floats(allow_nan=False), st.integers(-(2**53), 2**53), st.lists(st.text())),
        max_size=4,
    ),
    st.integers(0, 1000),
)
def test_addresses_depend_on_content_and_index_only(wire, index):
    backwards = dict(reversed(wire.items()))
    assert request_key(wire) == request_key(backwards)
    key = response_key(request_key(wire), index)
    assert key != response_key(request_key(wire), index + 1)
    assert key != response_key(request_key({**wire, "temperature!": 1}), index)
    assert response_id(key) == "r-" + key.hex()
    assert len(response_id(key)) == 34


@settings(max_examples=20, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_comes_back_as_it_was(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("store")
    with ResponseStore(folder) as store:
        put(store, stored(text=text))
        assert store.get(stored().key).body["content"] == text


def test_ten_megabytes_come_back(tmp_path):
    text = "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(3_500_000))
    with ResponseStore(tmp_path) as store:
        put(store, stored(text=text))
        assert store.get(stored().key).body["content"] == text


def test_costs_are_booked_under_the_job(tmp_path):
    with ResponseStore(tmp_path) as store:
        put(store, stored(0), stored(1), job="one")
        put(store, stored(2, usd=None), job="two")
        put(store, stored(3))
        assert store.spent("one") == (1.0, 14)
        assert store.spent("two") == (0.0, 7)
        assert store.spent("") == (0.0, 0)


def test_a_claim_keeps_others_away_until_its_holder_is_gone(tmp_path):
    child = textwrap.dedent("""
        import sys
        from pathlib import Path
        from factory.sampling.store.journal import ResponseStore
        store = ResponseStore(Path(sys.argv[1]))
        print(store.claim(b"x" * 16), store.claim(b"y" * 16), flush=True)
        sys.stdin.readline()
    """)
    command = [sys.executable, "-c", child, str(tmp_path)]
    with ResponseStore(tmp_path) as store:
        assert store.claim(b"x" * 16)
        assert not store.claim(b"x" * 16)
        with subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, text=True) as other:
            assert other.stdout.readline().split() == ["False", "True"]
            assert not store.claim(b"y" * 16)
            other.send_signal(signal.SIGKILL)
            other.wait()
            assert store.claim(b"y" * 16)
        store.release(b"x" * 16)
        assert store.claim(b"x" * 16)


@pytest.mark.parametrize("damage", ["garbage", "cut", "zeros"])
def test_a_torn_tail_costs_only_the_torn_commit(tmp_path, damage):
    """The write-ahead log of a process that was killed, with a torn write at its end."""
    child = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        sys.path.insert(0, "tests/sampling/store")
        from test_journal import put, stored
        from factory.sampling.store.journal import ResponseStore
        store = ResponseStore(Path(sys.argv[1]))
        for i in range(30):
            put(store, stored(i))
        print(os.path.getsize(Path(sys.argv[1]) / "responses.sqlite-wal"), flush=True)
        put(store, stored(99))
        os.kill(os.getpid(), 9)
    """)
    done = subprocess.run(
        [sys.executable, "-c", child, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -9, done.stderr
    safe = int(done.stdout)
    log = tmp_path / "responses.sqlite-wal"
    data = log.read_bytes()
    assert len(data) > safe
    torn = {"garbage": data + b"\x13" * 3000, "cut": data[: safe + 100], "zeros": data[:safe] + bytes(5000)}
    log.write_bytes(torn[damage])
    with ResponseStore(tmp_path) as store:
        keys = [response_key("a" * 64, i) for i in range(30)]
        assert store.present(keys) == set(keys)
        put(store, stored(200))
        assert store.get(stored(200).key) == stored(200)


def test_a_full_disk_stops_cleanly_and_goes_on(tmp_path):
    """A real small file system, in a mount namespace of its own; afterwards it grows and the job is finished."""
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    generate = (
        f"{sys.executable} -m factory.cli.main generate 'procedural:all?count=300' --teacher procedural"
        f" --samples 8 --out {out} --store {disk}/store"
    )
    script = (
        f"mount -t tmpfs -o size=1m none {disk} || exit 77; {generate}; echo first $?;"
        f"mount -o remount,size=64m {disk}; {generate}; echo second $?"
    )
    if not shutil.which("unshare"):
        pytest.skip("no unshare on this machine")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=ROOT,
        env={**os.environ, "FACTORY_PROGRESS": "off"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode and "first" not in done.stdout:
        pytest.skip("cannot mount a small file system here")
    assert "first 3" in done.stdout, done.stderr
    assert "second 0" in done.stdout, done.stderr
    assert "disk full while writing" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_write_error_reaches_everyone_who_waits_and_all_who_come_later(tmp_path):
    """A job must not hang on answers that will never be durable."""

    async def job(store):
        return await asyncio.wait_for(
            asyncio.gather(*(store.put(stored(i)) for i in range(3)), return_exceptions=True), 30
        )

    with ResponseStore(tmp_path) as store:
        put(store, stored(9))
        with sqlite3.connect(tmp_path / "responses.sqlite") as beside:
            beside.execute("ALTER TABLE response RENAME TO elsewhere")
        beside.close()
        first, later = asyncio.run(job(store)), asyncio.run(job(store))
        assert [type(error) for error in (*first, *later)] == [FactoryError] * 6
        assert "responses.sqlite" in str(first[0]) and len(set(map(str, (*first, *later)))) == 1


def test_a_store_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot open response store"):
        ResponseStore(tmp_path / "file")
    (tmp_path / "responses.sqlite").write_text(
        "this is not a database, but long enough to look like a file " * 50
    )
    with pytest.raises(UsageError, match="cannot open response store"):
        ResponseStore(tmp_path)


def test_a_newer_store_is_refused(tmp_path):
    with ResponseStore(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "responses.sqlite") as beside:
        beside.execute("UPDATE note SET value = '99' WHERE name = 'version'")
    beside.close()
    with pytest.raises(UsageError, match="newer"):
        ResponseStore(tmp_path)


def test_groups_share_one_commit_and_none_waits_long(tmp_path):
    async def timed(store):
        loop = asyncio.get_running_loop()

        async def one(i):
            await asyncio.sleep(i * 0.002)
            began = loop.time()
            await store.put(stored(i))
            return loop.time() - began

        return await asyncio.gather(*(one(i) for i in range(200)))

    with ResponseStore(tmp_path) as store:
        waits = sorted(asyncio.run(timed(store)))
    assert waits[len(waits) // 2] < 0.2


def test_summary_adds_up(tmp_path):
    with ResponseStore(tmp_path) as store:
        put(store, stored(0), stored(1), replace(stored(2), status="looped", usd=None))
        rows = {row["status"]: row for row in store.summary()}
        assert rows["complete"]["responses"] == 2
        assert rows["complete"]["usd"] == 1.0
        assert rows["looped"]["completion_tokens"] == 7
