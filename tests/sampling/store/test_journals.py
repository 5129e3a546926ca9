"""Several journals in one store: the union is what counts."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from factory.errors import UsageError
from factory.sampling.store.journal import ResponseStore, Stored, response_key
from factory.sampling.store.journals import journal_name, leave_shared_memory

ROOT = Path(__file__).parents[3]


def stored(index, *, status="complete", text="answer", usd=0.5):
    request = "b" * 64
    return Stored(
        response_key(request, index), request, index, "fake", "m", status, 3, 7, usd, {"content": text}
    )


def put(store, *items, job=""):
    async def all_of_them():
        await asyncio.gather(*(store.put(item, {"body": "wire"}, job=job) for item in items))

    asyncio.run(all_of_them())


def test_what_any_worker_bought_everybody_finds(tmp_path):
    with (
        ResponseStore(tmp_path) as alone,
        ResponseStore(tmp_path, journal_name(0)) as one,
        ResponseStore(tmp_path, journal_name(7)) as other,
    ):
        put(alone, stored(0), job="j")
        put(one, stored(1), stored(2), job="j")
        put(other, stored(3), job="k")
        keys = [stored(i).key for i in range(5)]
        for store in (alone, one, other):
            assert store.present(keys) == set(keys[:4])
            assert sorted(s.sample_index for s in store.get_many(keys)) == [0, 1, 2, 3]
            assert set(store.keys()) == set(keys[:4])
            assert store.get(keys[3]) == stored(3)
            assert store.get(keys[4]) is None
            assert store.request("b" * 64) == {"body": "wire"}
            assert store.spent("j") == (1.5, 21)
            assert store.spent("j", one.path.name) == (1.0, 14)
            assert store.spent("j", "responses-00099.sqlite") == (0.0, 0)
            assert [row["responses"] for row in store.summary()] == [4]
    assert {path.name for path in tmp_path.glob("*.sqlite")} == {
        "responses.sqlite",
        "responses-00000.sqlite",
        "responses-00007.sqlite",
    }


def test_a_journal_that_appears_later_is_found(tmp_path):
    with ResponseStore(tmp_path, journal_name(0)) as first:
        assert first.get(stored(5).key) is None
        with ResponseStore(tmp_path, journal_name(1)) as second:
            put(second, stored(5))
        assert first.get(stored(5).key) == stored(5)


def test_a_finished_response_goes_before_a_failed_one_and_the_first_journal_before_the_second(tmp_path):
    with (
        ResponseStore(tmp_path, journal_name(0)) as first,
        ResponseStore(tmp_path, journal_name(1)) as second,
    ):
        put(first, stored(0, status="failed"), stored(1, text="first"))
        put(second, stored(0, text="second"), stored(1, text="second"), stored(2, status="failed"))
        for store in (first, second):
            found = {
                s.sample_index: s.body["content"] for s in store.get_many([stored(i).key for i in range(3)])
            }
            assert found == {0: "second", 1: "first"}
            every = list(store.get_many([stored(i).key for i in range(3)], failed=True))
            assert sorted((s.sample_index, s.status) for s in every) == [
                (0, "complete"),
                (1, "complete"),
                (2, "failed"),
            ]


def test_a_workers_journal_needs_no_shared_memory_and_survives_its_death(tmp_path):
    child = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        sys.path.insert(0, "tests/sampling/store")
        from test_journals import put, stored
        from factory.sampling.store.journal import ResponseStore
        store = ResponseStore(Path(sys.argv[1]), "responses-00003.sqlite")
        for i in range(20):
            put(store, stored(i))
        print("safe", flush=True)
        store._read.execute("BEGIN IMMEDIATE")
        store._read.execute("PRAGMA cache_size=0")
        store._read.execute("UPDATE response SET status = 'torn'")
        os.kill(os.getpid(), 9)
    """)
    done = subprocess.run(
        [sys.executable, "-c", child, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -9 and "safe" in done.stdout, done.stderr
    assert not list(tmp_path.glob("*-shm"))
    with ResponseStore(tmp_path, journal_name(4)) as store:
        keys = [stored(i).key for i in range(20)]
        assert store.present(keys) == set(keys)
        assert {s.status for s in store.get_many(keys)} == {"complete"}


def test_the_journal_of_a_process_on_its_own_is_made_fit_for_many_machines(tmp_path):
    with ResponseStore(tmp_path) as store:
        put(store, stored(0))
    leave_shared_memory(tmp_path)
    with sqlite3.connect(tmp_path / "responses.sqlite") as beside:
        assert beside.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    beside.close()
    with ResponseStore(tmp_path, journal_name(0)) as worker:
        assert worker.get(stored(0).key) == stored(0)
    assert not [name for name in os.listdir(tmp_path) if name.endswith("-shm")]
    leave_shared_memory(tmp_path / "nowhere")


def test_a_lost_journal_of_a_worker_is_said_by_whoever_opens_the_store(tmp_path):
    """Its responses and what its job has spent would else be forgotten."""
    with ResponseStore(tmp_path, journal_name(1)) as store:
        put(store, stored(0), job="j")
    (tmp_path / journal_name(1)).unlink()
    with ResponseStore(tmp_path) as store, pytest.raises(UsageError, match="its seal is there"):
        store.spent("j")
    (tmp_path / f"{journal_name(1)}.seal").unlink()
    with ResponseStore(tmp_path) as store:
        assert store.spent("j") == (0.0, 0)
