"""Bit rot, truncation and loss: what was stored comes back as it was, or is named."""

import asyncio
import random
import shutil
import sqlite3
from collections import Counter

import pytest

from factory.errors import FactoryError, UsageError
from factory.sampling.store.backup import back_up, check_store
from factory.sampling.store.journal import ResponseStore, Stored, response_key
from factory.sampling.store.journals import leave_shared_memory
from factory.sampling.store.money import Money

COUNT = 60
KEYS = [response_key("a" * 64, i) for i in range(COUNT)]


def stored(index=0, *, status="complete", text="answer", usd=0.5):
    body = {"problem_id": "p", "reasoning": None, "content": text}
    key = response_key("a" * 64, index)
    return Stored(key, "a" * 64, index, "fake", "m", status, 3, 7, usd, body)


def put(store, *items, job=""):
    async def all_of_them():
        await asyncio.gather(*(store.put(item, {"body": item.request_key}, job=job) for item in items))

    asyncio.run(all_of_them())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    draw = random.Random(1)
    with ResponseStore(folder) as store:
        put(store, *(stored(i, text=f"t{i} {draw.random()} " * 40) for i in range(COUNT)), job="job")
        for i in range(COUNT, COUNT + 60):
            store.sent(stored(i).key, "job", Money(0.25, 40))  # as a killed process leaves them
    return folder


def read(folder):
    """The responses as far as they are there, what they cost, and how many were named as damaged."""
    with ResponseStore(folder) as store:
        rows = {row.key: row for row in store.get_many(KEYS)}
        return rows, store.spent("job"), store.damaged


@pytest.mark.parametrize("seed", range(4))
def test_no_bit_flip_is_silent(whole, tmp_path, seed, capsys):
    rows, spent, _ = read(whole)
    assert len(rows) == COUNT
    data = (whole / "responses.sqlite").read_bytes()
    draw, kinds = random.Random(seed), {"harmless": 0, "refused": 0, "set aside": 0}
    for number in range(125):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        bad = bytearray(data)
        place = draw.randrange(len(bad))
        bad[place] ^= 1 << draw.randrange(8)
        (folder / "responses.sqlite").write_bytes(bad)
        try:
            found, cost, damaged = read(folder)
        except FactoryError:
            kinds["refused"] += 1
            continue
        assert all(found[key] == rows[key] for key in found), f"byte {place}"
        assert len(found) + damaged == COUNT, f"byte {place}"
        assert cost == spent, f"byte {place}"
        kinds["set aside" if damaged else "harmless"] += 1
    assert kinds["set aside"] > 10
    assert kinds["refused"] > 3


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_no_truncation_is_silent(whole, tmp_path, share):
    shutil.copytree(whole, tmp_path / "s")
    data = (whole / "responses.sqlite").read_bytes()
    (tmp_path / "s" / "responses.sqlite").write_bytes(data[: int(share * len(data))])
    try:
        found, _, damaged = read(tmp_path / "s")
    except FactoryError as error:
        assert "responses.sqlite" in str(error)
    else:
        assert damaged == COUNT - len(found) > 0


def test_a_damaged_row_is_named_and_owed_again(whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "s")
    with sqlite3.connect(tmp_path / "s" / "responses.sqlite") as beside:
        beside.execute("UPDATE response SET completion_tokens = 8 WHERE key = ?", (KEYS[3],))
    beside.close()
    with ResponseStore(tmp_path / "s") as store:
        assert store.get(KEYS[3]) is None
        assert KEYS[3].hex() in capsys.readouterr().err
        put(store, stored(3, text="again"), job="job")
        assert store.get(KEYS[3]).body["content"] == "again"
        assert store.spent("job")[0] == read(whole)[1][0] + 0.5, "it was paid for twice"
    rows, _, damaged = read(tmp_path / "s")
    assert (len(rows), damaged) == (COUNT, 0)


def test_an_emptied_and_a_foreign_store_are_refused(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "s")
    (tmp_path / "s" / "responses.sqlite").unlink()
    with pytest.raises(UsageError, match="is not the response store"):
        ResponseStore(tmp_path / "s")
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "responses.sqlite").touch()
    with pytest.raises(UsageError, match="is empty"):
        ResponseStore(tmp_path / "e")


def test_no_damage_is_an_error_of_ours(whole, tmp_path, capsys):
    """One flip or several: every way of reading the journal ends well or with one line that says what to do."""
    data, draw, ends = (whole / "responses.sqlite").read_bytes(), random.Random(11), Counter()
    for _ in range(150):
        folder = tmp_path / "s"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        bad = bytearray(data)
        for _flip in range(draw.choice([1, 1, 8])):
            # Half of them in the first page, which holds the tables' definitions.
            bad[draw.randrange(4_096 if draw.random() < 0.5 else len(bad))] ^= 1 << draw.randrange(8)
        (folder / "responses.sqlite").write_bytes(bad)
        for look in (check_store, lambda at: back_up(at, tmp_path / "b.sqlite"), read_all):
            try:
                look(folder)
                ends["well"] += 1
            except FactoryError:
                ends["refused"] += 1
    assert min(ends["well"], ends["refused"]) > 50


def read_all(folder):
    with ResponseStore(folder) as store:
        store.summary(), store.attempts(), list(store.get_many(list(store.keys()))), store.request("a" * 64)


@pytest.mark.parametrize("bit", [0, 5])
def test_a_flip_in_an_address_is_named_wherever_it_stands(whole, tmp_path, bit, capsys):
    """An address stands in its row and in the index over the rows; either may be the damaged one."""
    data, place, ends, sound = (whole / "responses.sqlite").read_bytes(), -1, [], read(whole)[0]
    while (place := data.find(KEYS[3], place + 1)) >= 0:
        folder = tmp_path / str(place)
        shutil.copytree(whole, folder)
        bad = bytearray(data)
        bad[place + 7] ^= 1 << bit
        (folder / "responses.sqlite").write_bytes(bad)
        try:
            with ResponseStore(folder) as store:
                by_address = {row.key: row for row in store.get_many(KEYS)}
                listed = {row.key: row for row in store.get_many(list(store.keys()))}
        except FactoryError as error:
            assert "responses.sqlite" in str(error)
            ends.append("refused")
            continue
        said = "is set aside and owed again" in capsys.readouterr().err
        assert by_address == sound, "the index led to the row, whose other bytes are sound"
        assert listed == (sound if not said else {key: row for key, row in sound.items() if key != KEYS[3]})
        with ResponseStore(folder) as store:
            assert store.present([KEYS[3]]) == (set() if said else {KEYS[3]})
            put(store, stored(3, text="again"), job="job")
        rows, _, damaged = read(folder)
        assert (len(rows), damaged) == (COUNT, 0)
        assert [fault for fault in check_store(folder) if "the request a" not in fault] == []
        ends.append("set aside" if said else "unused bytes of a page")
    assert {"refused", "set aside"} <= set(ends)


@pytest.mark.parametrize("table", ["note (name TEXT, value TEXT)", "anything (x)"])
@pytest.mark.parametrize("look", [ResponseStore, leave_shared_memory])
def test_a_foreign_database_is_refused_as_it_was(tmp_path, table, look):
    path = tmp_path / "responses.sqlite"
    with sqlite3.connect(path) as theirs:
        theirs.execute(f"CREATE TABLE {table}")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is not a response store"):
        look(tmp_path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["responses.sqlite"]


def test_a_lost_write_ahead_file_is_said(tmp_path, capsys):
    store = ResponseStore(tmp_path / "live")
    put(store, *(stored(i) for i in range(5)))
    shutil.copytree(tmp_path / "live", tmp_path / "checkpointed")
    store._read.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    put(store, *(stored(i) for i in range(5, 9)))
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    store.close()
    (tmp_path / "copy" / "responses.sqlite-wal").unlink()
    (tmp_path / "copy" / "responses.sqlite-shm").unlink()
    with ResponseStore(tmp_path / "copy") as cut:
        assert len(cut.present(KEYS[:9])) == 5
    assert "4 of 9 responses that had counted are missing" in capsys.readouterr().err


def test_the_account_is_not_believed_when_it_was_changed(whole, tmp_path):
    for number, change in enumerate(
        ("UPDATE account SET usd = 0", "UPDATE account SET job = 'x'", "DELETE FROM account")
    ):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        with sqlite3.connect(folder / "responses.sqlite") as beside:
            beside.execute(change)
        beside.close()
        with ResponseStore(folder) as store, pytest.raises(FactoryError, match="account of job job"):
            store.spent("job")


def test_broken_attempts_stay_on_the_account(tmp_path):
    with ResponseStore(tmp_path) as store:
        store.submit(stored(0, status="failed", usd=5.0), job="job", broken=True).result()
        put(store, stored(0, status="failed", usd=0.1), job="job")
        put(store, stored(0, usd=0.1), job="job")
        assert store.spent("job") == (pytest.approx(5.2), 21)
        assert store.attempts()["usd"] == 5.0
    with ResponseStore(tmp_path) as store:
        assert store.spent("job")[0] == pytest.approx(5.2)
