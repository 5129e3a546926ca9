"""What was sent and not answered when a process was killed counts with its worst case, once, whoever asks again."""

import sqlite3
from dataclasses import replace

import pytest

from factory.errors import FactoryError
from factory.sampling.store.backup import back_up, check_store
from factory.sampling.store.in_flight import KILLED
from factory.sampling.store.journal import ResponseStore, Stored, response_key
from factory.sampling.store.journals import journal_name
from factory.sampling.store.money import Money

WORST = Money(2.0, 512)


def stored(index, usd=0.5):
    key = response_key("a" * 64, index)
    return Stored(key, "a" * 64, index, "s", "m", "complete", 3, 7, usd, {"content": "x"})


@pytest.fixture
def killed(tmp_path):
    """The store of a job that was killed with two requests in flight, one answer after the other one was stored."""
    with ResponseStore(tmp_path) as store:
        for each in (stored(0), stored(1), stored(2)):
            store.sent(each.key, "job", WORST)
        store.submit(stored(0), job="job").result()
    return tmp_path


def test_it_counts_at_once_and_as_a_broken_attempt_when_it_is_sent_again(killed):
    with ResponseStore(killed) as store:
        assert store.in_flight("job") == (2, 4.0, 1024)
        assert store.in_flight("another") == (0, 0.0, 0)
        assert store.spent("job") == (4.5, 1031)
        assert store.attempts()["attempts"] == 0
        store.sent(stored(1).key, "another", WORST).result()
        assert store.spent("job") == (4.5, 1031) and store.spent("another") == (2.0, 512)
        assert store.attempts()["attempts"] == 1
        store.submit(stored(1), job="another").result()
        assert store.spent("job") == (4.5, 1031) and store.spent("another") == (0.5, 7)
        # Bought by somebody whose requests cost nothing, so they are not noted.
        store.submit(stored(2, usd=0.0)).result()
        assert store.in_flight("job") == (0, 0.0, 0) and store.spent("job") == (4.5, 1031)
    with sqlite3.connect(killed / "responses.sqlite") as beside:
        assert beside.execute("SELECT DISTINCT job, error FROM attempt").fetchall() == [("job", KILLED)]


def test_a_living_process_is_charged_for_what_came_and_no_more(tmp_path):
    one = stored(0)
    with ResponseStore(tmp_path) as store:
        store.sent(one.key, "job", WORST).result()
        store.sent(one.key, "job", None)  # refused: not taken up
        store.sent(one.key, "job", WORST).result()
        assert store.in_flight("job") == (1, 2.0, 512)
        store.submit(replace(one, usd=0.25), job="job", broken=True).result()
        assert store.spent("job") == (0.25, 7)
        store.sent(one.key, "job", WORST).result()
        store.submit(replace(one, usd=0.25), job="job", broken=True, more=True).result()
        assert store.in_flight("job")[0] == 1, "the answer is still to come"
        store.submit(one, job="job").result()
        assert store.spent("job") == (1.0, 21) and store.in_flight("job")[0] == 0


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE in_flight SET usd = 0 WHERE job = 'job'",
        "UPDATE in_flight SET job = 'another'",
        "DELETE FROM in_flight",
        "DELETE FROM in_flight WHERE key = (SELECT MIN(key) FROM in_flight)",
        "DELETE FROM note WHERE name = 'in_flight'",
    ],
)
def test_a_damaged_note_is_named(killed, sql):
    with sqlite3.connect(killed / "responses.sqlite") as beside:
        beside.execute(sql)
    beside.close()
    assert any("in flight" in fault for fault in check_store(killed))
    with ResponseStore(killed) as store, pytest.raises(FactoryError, match="in flight"):
        store.spent("job")


def test_a_store_of_the_first_releases_gets_the_table(killed):
    with sqlite3.connect(killed / "responses.sqlite") as beside:
        beside.execute("DROP TABLE in_flight")
        beside.execute("DELETE FROM note WHERE name = 'in_flight'")
    beside.close()
    with ResponseStore(killed) as store:
        assert store.spent("job") == (0.5, 7)
        store.sent(stored(1).key, "job", WORST).result()
        assert store.spent("job") == (2.5, 519)


def test_what_a_process_left_that_was_killed_while_it_made_the_store_is_removed(tmp_path):
    for name in (".responses.sqlite.0a1b2c3d", ".responses.sqlite.0a1b2c3d-wal"):
        (tmp_path / name).touch()
    for _exists in (False, True):
        with ResponseStore(tmp_path):
            assert not [path.name for path in tmp_path.glob(".*")]
        (tmp_path / ".responses.sqlite.4e5f6a7b").touch()


def test_a_backup_of_all_journals_holds_them(killed, tmp_path):
    with ResponseStore(killed, journal_name(1)) as worker:
        worker.sent(stored(1).key, "job", WORST).result()
        worker.sent(stored(3).key, "job", WORST).result()
        assert worker.spent("job", journal_name(1)) == (4.0, 1024)
        all_of_it = worker.spent("job")
    back_up(killed, tmp_path / "copy" / "responses.sqlite")
    with ResponseStore(tmp_path / "copy") as copy:
        assert copy.spent("job") == all_of_it == (8.5, 2055)
