"""A copy of a store that is in use, and a look at every byte of it."""

import asyncio
import shutil
import sqlite3
import threading

import pytest
from click.testing import CliRunner

from factory.cli.main import build_app
from factory.errors import FactoryError, UsageError
from factory.sampling.store.backup import back_up, check_store
from factory.sampling.store.journal import ResponseStore, Stored, request_key, response_key
from factory.sampling.store.journals import journal_name

WIRE = {"body": "wire"}


def real(index, *, status="complete", text="answer"):
    """A response whose address is that of its request."""
    digest = request_key(WIRE)
    body = {"content": text}
    return Stored(response_key(digest, index), digest, index, "fake", "m", status, 3, 7, 0.5, body)


def put(store, *items, job):
    async def all_of_them():
        await asyncio.gather(*(store.put(item, WIRE, job=job) for item in items))

    asyncio.run(all_of_them())


def restored(file, folder):
    folder.mkdir()
    shutil.copy(file, folder / "responses.sqlite")
    return ResponseStore(folder)


def test_a_store_is_copied_while_a_writer_is_alive(tmp_path):
    """Each copy holds all that counted before it was begun, and is sound."""
    written, stop = [], threading.Event()
    with ResponseStore(tmp_path / "run" / "store") as store:
        put(store, real(0), job="j")

        def write():
            while not stop.is_set():
                put(store, real(len(written) + 1), job="j")
                written.append(len(written) + 1)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(5):
                had, out = len(written), tmp_path / f"{number}.sqlite"
                done = CliRunner().invoke(
                    build_app(("store",)), ["store", "backup", str(tmp_path / "run"), "--out", str(out)]
                )
                assert done.exception is None, done.exception
                with restored(out, tmp_path / str(number)) as copy:
                    keys = [real(i).key for i in range(had + 1)]
                    assert copy.present(keys) == set(keys)
                    assert copy.spent("j")[0] == 0.5 * len(list(copy.keys()))
        finally:
            stop.set()
            writer.join()
        assert len(written) > 0
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


def test_the_journals_of_all_workers_go_into_one_file_as_they_count(tmp_path):
    with (
        ResponseStore(tmp_path / "s") as alone,
        ResponseStore(tmp_path / "s", journal_name(0)) as one,
        ResponseStore(tmp_path / "s", journal_name(1)) as two,
    ):
        put(alone, real(0, text="last"), real(1), real(4, status="failed"), job="j")
        put(one, real(0, text="first"), real(2), real(3, status="failed"), job="j")
        put(two, real(3), real(4), job="k")
        one.submit(real(9, status="failed"), job="j", broken=True).result()
        assert back_up(tmp_path / "s", tmp_path / "b.sqlite") == 5
        keys = [real(i).key for i in range(5)]
        with restored(tmp_path / "b.sqlite", tmp_path / "r") as copy:
            assert {each.key: each for each in copy.get_many(keys)} == {
                each.key: each for each in one.get_many(keys)
            }
            assert copy.get(keys[0]).body["content"] == "first"
            assert [copy.spent(job) for job in "jk"] == [one.spent(job) for job in "jk"]
            assert copy.attempts() == one.attempts()
            assert copy.request(request_key(WIRE)) == WIRE
        assert check_store(tmp_path / "r") == []


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ("UPDATE response SET usd = 0.25 WHERE sample_index = 2", "response r-"),
        ("UPDATE account SET usd = 0", "account of job j"),
        ("UPDATE attempt SET usd = 0.25", "broken attempts"),
        ("DELETE FROM attempt", "broken attempts"),
        ("UPDATE request SET key = x'00'", "request 00"),
        ("DELETE FROM response WHERE sample_index = 2", "does not hold the responses"),
        ("UPDATE note SET value = 'x' WHERE name = 'id'", "is not the response store"),
    ],
)
def test_a_damaged_store_is_named_and_does_not_replace_a_backup(tmp_path, harm, named):
    with ResponseStore(tmp_path / "s") as store:
        put(store, *(real(i) for i in range(4)), job="j")
        for i in range(2):
            store.submit(real(i, status="failed"), job="j", broken=True).result()
    assert check_store(tmp_path / "s") == []
    back_up(tmp_path / "s", tmp_path / "b.sqlite")
    before = (tmp_path / "b.sqlite").read_bytes()
    with sqlite3.connect(tmp_path / "s" / "responses.sqlite") as beside:
        beside.execute(harm)
    beside.close()
    (fault,) = check_store(tmp_path / "s")
    assert named in fault and "responses.sqlite" in fault
    with pytest.raises(FactoryError, match=named):
        back_up(tmp_path / "s", tmp_path / "b.sqlite")
    assert (tmp_path / "b.sqlite").read_bytes() == before


def test_broken_attempts_that_a_lost_write_ahead_file_took_along_are_said(tmp_path, capsys):
    """No response is missing then: the number of commits tells it."""
    store = ResponseStore(tmp_path / "live")
    put(store, real(0), job="j")
    store._read.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.submit(real(1, status="failed"), job="j", broken=True).result()
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    store.close()
    for tail in ("wal", "shm"):
        (tmp_path / "copy" / f"responses.sqlite-{tail}").unlink()
    (fault,) = check_store(tmp_path / "copy")
    assert "the last 1 commits" in fault and "responses.sqlite-wal" in fault
    with ResponseStore(tmp_path / "copy") as cut:
        assert cut.spent("j")[0] == 0.5
    assert "may be booked too low" in capsys.readouterr().err


def test_there_must_be_a_store(tmp_path):
    with pytest.raises(UsageError, match="no response store"):
        back_up(tmp_path, tmp_path / "b.sqlite")
