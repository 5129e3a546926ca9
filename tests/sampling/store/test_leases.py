"""The ledger of leases: the cap holds in sum whatever the workers do, and what the dead held comes back."""

import math
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.errors import FactoryError, Stopped, UsageError
from factory.sampling.store import leases
from factory.sampling.store.leases import Leases, ask_to_stop, check_leases, progress
from factory.sampling.store.money import NOTHING, Money
from factory.sampling.store.worker_locks import seated, take_first_seat, take_seat

ROOT = Path(__file__).parents[3]
ONE = Money(1.0, 10)
MOST = Money(8.0, 80)


def name(number):
    return f"responses-{number:05d}.sqlite"


def worker(folder, number=0, *, cap=None, booked=None, **options):
    """A worker whose journal shows what `booked` says."""
    shown = {} if booked is None else booked
    (folder / name(number)).touch()
    return Leases(
        folder,
        "job",
        name(number),
        take_seat(folder, name(number)),
        cap or Money(10.0, math.inf),
        lambda journal: shown.get(journal, (0.0, 0)),
        **options,
    )


def test_a_grant_is_a_fourth_of_what_a_living_worker_would_get(tmp_path):
    alone = worker(tmp_path, 0)
    assert alone.extend(NOTHING, NOTHING, ONE, MOST, 0).usd == 10.0 / 4
    second = worker(tmp_path, 1)
    assert second.extend(NOTHING, NOTHING, ONE, MOST, 0).usd == max(ONE.usd, 7.5 / 8)
    alone.leave(NOTHING, 0)
    assert second.extend(NOTHING, ONE, ONE, MOST, 0).usd == 9.0 / 4


def test_a_lease_is_granted_within_the_cap_and_no_further(tmp_path):
    a, b = worker(tmp_path, 0), worker(tmp_path, 1)
    held = [NOTHING, NOTHING]
    for turn in range(40):
        me = turn % 2
        granted = (a, b)[me].extend(NOTHING, held[me], ONE, MOST, 0)
        assert granted is not None
        held[me] = held[me] + granted
        assert held[0].usd + held[1].usd <= 10.0
    assert held[0].usd + held[1].usd > 9.0
    assert a.extend(NOTHING, held[0], ONE, MOST, 0) == NOTHING
    b.leave(NOTHING, 0)
    assert a.extend(NOTHING, held[0], ONE, MOST, 0).usd >= 1.0
    a.leave(NOTHING, 0)


def test_what_was_spent_is_gone_for_good(tmp_path):
    a, b = worker(tmp_path, 0), worker(tmp_path, 1)
    assert a.extend(Money(9.5, 5), NOTHING, ONE, MOST, 0) is None
    assert b.extend(NOTHING, NOTHING, ONE, MOST, 0) is None
    a.leave(Money(9.5, 5), 1)
    again = worker(tmp_path, 0)
    assert again.extend(NOTHING, NOTHING, ONE, MOST, 0) is None
    assert progress(tmp_path, "job")[1:] == (9.5, 5)
    for each in (again, b):
        each.leave(NOTHING, 0)


def test_a_starving_worker_makes_the_others_give_back(tmp_path):
    a, b = worker(tmp_path, 0), worker(tmp_path, 1)
    held = a.extend(NOTHING, NOTHING, Money(9.5, 1), MOST, 0)
    assert not a.report(NOTHING, held, 0)
    assert b.extend(NOTHING, NOTHING, ONE, MOST, 0) == NOTHING
    assert a.report(NOTHING, held, 0)
    a.report(NOTHING, Money(2.0, 1), 0)
    assert b.extend(NOTHING, NOTHING, ONE, MOST, 0).usd >= 1.0
    a.leave(NOTHING, 0)
    b.leave(NOTHING, 0)


CHILD = textwrap.dedent("""
    import sys
    sys.path.insert(0, "tests/sampling/store")
    from pathlib import Path
    from test_leases import NOTHING, worker
    from factory.sampling.store.money import Money
    import time
    from factory.errors import Stopped
    one, usd, jump = worker(Path(sys.argv[1]), int(sys.argv[2])), float(sys.argv[3]), float(sys.argv[4])
    now = time.time
    time.time = lambda: now() + jump
    print(one.extend(NOTHING, NOTHING, Money(usd, 10), Money(usd, 10), 0), flush=True)
    sys.stdin.readline()
    for write in (lambda: one.report(Money(5.0, 1), Money(usd, 10), 1), lambda: one.leave(Money(6.0, 1), 1)):
        try:
            write()
        except Stopped:
            print("stopped")
""")


def child(folder, number=1, usd=9.0, jump=0.0, granted=None):
    """A worker in a process of its own, whose machine's clock is `jump` seconds ahead."""
    words = [sys.executable, "-c", CHILD, *map(str, (folder, number, usd, jump))]
    process = subprocess.Popen(words, cwd=ROOT, stdin=-1, stdout=-1, text=True)
    assert f"usd={usd if granted is None else granted}" in process.stdout.readline()
    return process


def test_the_lease_of_a_killed_worker_comes_back_less_what_its_journal_shows(tmp_path):
    shown = {}
    a = worker(tmp_path, 0, booked=shown)
    other = child(tmp_path)
    assert a.extend(NOTHING, NOTHING, Money(2.0, 1), MOST, 0) == NOTHING
    shown[name(1)] = (3.0, 12)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert not seated(tmp_path, name(1))
    assert a.extend(NOTHING, NOTHING, Money(7.0, 1), Money(7.0, 1), 0).usd == 7.0
    assert a.extend(NOTHING, Money(7.0, 1), Money(0.1, 1), MOST, 0) is None
    a.leave(NOTHING, 0)


def test_the_leases_of_all_killed_workers_come_back_at_once(tmp_path):
    """Who asks for more than any one of the dead held gets it from all of them."""
    a = worker(tmp_path, 0)
    others = [child(tmp_path, 1, 5.0), child(tmp_path, 2, 4.0)]
    assert a.extend(NOTHING, NOTHING, Money(2.0, 1), MOST, 0) == NOTHING
    for other in others:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert a.extend(NOTHING, NOTHING, Money(8.0, 1), Money(8.0, 1), 0).usd == 8.0
    a.leave(NOTHING, 0)


def test_a_worker_that_is_silent_for_too_long_loses_its_lease_and_finds_out(tmp_path):
    a, b = worker(tmp_path, 0, expiry=0.2), worker(tmp_path, 1, expiry=0.2)
    b.extend(NOTHING, NOTHING, Money(9.0, 1), Money(9.0, 1), 0)
    assert a.extend(NOTHING, NOTHING, Money(2.0, 1), MOST, 0) == NOTHING
    time.sleep(0.3)
    assert a.extend(NOTHING, NOTHING, Money(2.0, 1), MOST, 0).usd >= 2.0
    with pytest.raises(Stopped, match="silent for so long"):
        b.report(NOTHING, Money(9.0, 1), 0)
    with pytest.raises(Stopped, match="silent for so long"):
        b.extend(NOTHING, NOTHING, ONE, MOST, 0)
    b.leave(NOTHING, 0)
    a.leave(NOTHING, 0)


def test_a_seat_has_room_for_one(tmp_path):
    a = worker(tmp_path, 0)
    assert take_seat(tmp_path, name(0), patience=0.1) is None
    second, seat = take_first_seat(tmp_path, [name(0), name(4), name(8)])
    assert second == name(4)
    with pytest.raises(UsageError, match="every journal"):
        take_first_seat(tmp_path, [name(0), name(4)])
    a.leave(NOTHING, 0)
    assert take_first_seat(tmp_path, [name(0), name(4)])[0] == name(0)
    seat.close()


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE account SET spent_usd = 0.0",
        "UPDATE account SET journal = 'responses-00007.sqlite'",
        "UPDATE account SET mark = NULL",
        "UPDATE bucket SET level = -1e300",
        "DROP TABLE stop; CREATE TABLE theirs (x)",
    ],
)
def test_a_damaged_or_foreign_ledger_is_named_and_made_again_from_the_journals(tmp_path, harm):
    shown = {}
    a = worker(tmp_path, 0, booked=shown)
    a.take([1.0], [(1.0,)], [0.0])
    shown[name(0)] = (6.0, 5)
    a.leave(Money(6.0, 5), 1)
    assert check_leases(tmp_path) == []
    with sqlite3.connect(tmp_path / leases.FILE) as beside:
        beside.executescript(harm)
    beside.close()
    before = (tmp_path / leases.FILE).read_bytes()
    (fault,) = check_leases(tmp_path)
    assert str(tmp_path / leases.FILE) in fault
    with pytest.raises(FactoryError, match="delete it while no worker runs"):
        worker(tmp_path, 1, booked=shown)
    assert (tmp_path / leases.FILE).read_bytes() == before
    (tmp_path / leases.FILE).unlink()
    b = worker(tmp_path, 2, booked=shown)
    assert progress(tmp_path, "job")[1:] == (6.0, 5)
    assert b.extend(NOTHING, NOTHING, Money(4.5, 1), MOST, 0) is None, "of 10 dollars 4 are left"
    b.leave(NOTHING, 0)


def test_a_ledger_of_a_former_version_gets_its_checksums(tmp_path):
    with sqlite3.connect(tmp_path / leases.FILE) as old:
        old.executescript(
            leases._TABLES.replace(", mark BLOB", "")
            + "INSERT INTO account VALUES ('job', 'responses-00000.sqlite', '', 3, 0, 1, 2.5, 4, 0, 0);"
            "INSERT INTO bucket VALUES ('job', 0, 1.0, 5.0);"
        )
    old.close()
    assert progress(tmp_path, "job")[1:] == (2.5, 4)
    assert check_leases(tmp_path) == []


def test_workers_stop_when_they_are_asked_to(tmp_path):
    a = worker(tmp_path, 0)
    ask_to_stop(tmp_path, "other job")
    a.report(NOTHING, NOTHING, 0)
    ask_to_stop(tmp_path, "job")
    with pytest.raises(Stopped, match="stopped by the process"):
        a.report(NOTHING, NOTHING, 0)
    ask_to_stop(tmp_path, "job", stop=False)
    a.report(NOTHING, NOTHING, 0)
    a.leave(NOTHING, 0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["ask", "spend", "die", "leave"]), st.floats(0.01, 4.0)),
        max_size=40,
    )
)
def test_spent_and_leased_never_exceed_the_cap(tmp_path_factory, moves):
    """Three workers, in any order: ask, spend from a lease, die with one, leave. A death is a leave nobody tells of."""
    folder = tmp_path_factory.mktemp("store")
    shown, alive, spent, lease = {}, {}, dict.fromkeys(range(3), 0.0), {}
    for number, move, amount in moves:
        if number not in alive:
            alive[number] = worker(folder, number, booked=shown)
            lease[number] = 0.0
        me = alive[number]
        if move == "ask":
            held = Money(lease[number], 0)
            granted = me.extend(Money(spent[number], 0), held, Money(amount, 1), Money(2 * amount, 1), 0)
            lease[number] += granted.usd if granted else 0.0
        elif move == "spend":
            cost = min(amount, lease[number])
            spent[number] += cost
            lease[number] -= cost
            shown[name(number)] = (spent[number], 0)
        elif move == "die":
            me._seat.close()
            me._ledger.close()
            del alive[number], lease[number]
        else:
            me.leave(Money(spent[number], 0), 0)
            del alive[number], lease[number]
        assert sum(spent.values()) + sum(lease.values()) <= 10.0 + 1e-9
    for me in alive.values():
        me.leave(NOTHING, 0)


def test_rates_hold_in_sum_over_threads_that_take_as_much_as_they_can(tmp_path, monkeypatch):
    """Four threads share a simulated clock, which none moves on before all have taken what there was."""
    rates, clock, taken = [40.0, None, 400.0], [1_000.0], []
    monkeypatch.setattr(leases, "steady", lambda: clock[0])

    def move_on():
        clock[0] += 0.05

    together = threading.Barrier(4, action=move_on)

    def greedy(number):
        me = worker(tmp_path, number)
        for _ in range(40):
            together.wait()
            while count := me.take(rates, [(1.0, 50.0, 8.0)] * 5, [0.0, 0.0, 0.0])[0]:
                taken.append((clock[0] - 1_000.0, count))
        me.leave(NOTHING, 0)

    threads = [threading.Thread(target=greedy, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for now in {now for now, _ in taken}:
        assert sum(count for then, count in taken if then <= now) <= 40 * (now + 5.0) + 1
    assert sum(count for _, count in taken) >= 40 * (2.0 + 5.0) - 5


def test_rates_are_corrected_by_what_was_used(tmp_path):
    a = worker(tmp_path, 0)
    rates = [None, None, 10.0]
    assert a.take(rates, [(1.0, 0.0, 30.0)], [0, 0, 0])[0] == 1
    count, wait = a.take(rates, [(1.0, 0.0, 30.0)], [0, 0, 100.0])
    assert count == 0
    assert wait == pytest.approx(11.0, abs=0.5)
    assert a.take(rates, [(1.0, 0.0, 30.0)], [0, 0, -130.0])[0] == 1
    a.leave(NOTHING, 0)


def test_a_clock_that_jumps_gives_no_lease_away(tmp_path, monkeypatch):
    """Attack 17: 601 seconds forward (a time server, a suspended machine) while the holder lives and is seated."""
    a, b = worker(tmp_path, 0), worker(tmp_path, 1)
    assert a.extend(NOTHING, NOTHING, Money(1, 10), Money(1, 10), 0) is not None
    now = leases.time.time
    monkeypatch.setattr(leases.time, "time", lambda: now() + 601)
    assert b._dead() == []
    b.extend(NOTHING, NOTHING, Money(1, 10), Money(1, 10), 0)
    assert not a.report(NOTHING, Money(1, 10), 0)
    a.leave(NOTHING, 0)
    b.leave(NOTHING, 0)


@pytest.mark.parametrize("jump", [601.0, -601.0])
def test_a_clock_that_jumps_in_one_process_gives_no_lease_of_another_away(tmp_path, jump):
    holder = child(tmp_path, 1, 9.0)
    ahead = child(tmp_path, 2, 2.0, jump=jump, granted=0.0)
    ahead.kill()
    ahead.communicate()
    said, _ = holder.communicate("\n")
    assert "stopped" not in said, "the holder's account is still its own"
    assert progress(tmp_path, "job")[1] == 6.0


def test_a_process_that_lost_its_lease_cannot_write_to_the_ledger(tmp_path, monkeypatch):
    """Its life is the fencing token: what it reports when it wakes up is refused."""
    stopped, b = child(tmp_path, 1, 9.0), worker(tmp_path, 0)
    assert b.extend(NOTHING, NOTHING, Money(2.0, 1), MOST, 0) == NOTHING
    now = leases.steady
    monkeypatch.setattr(leases, "steady", lambda: now() + 601)
    assert b.extend(NOTHING, NOTHING, Money(2.0, 1), MOST, 0).usd >= 2.0
    said, _ = stopped.communicate("\n")
    assert said.split() == ["stopped"]
    assert progress(tmp_path, "job")[1] == 0.0, "neither its report nor its end was booked"
    b.leave(NOTHING, 0)


def test_a_clock_that_is_set_neither_fills_nor_stops_a_rate_limit(tmp_path, monkeypatch):
    """A simulated steady clock; the wall clock of one worker goes 601 seconds ahead and is set back."""
    clock, wall = [1_000.0], [0.0]
    monkeypatch.setattr(leases, "steady", lambda: clock[0])
    monkeypatch.setattr(leases.time, "time", lambda: clock[0] + wall[0])
    a, taken = worker(tmp_path, 0), 0
    for second in range(60):
        wall[0] = 601.0 if second == 20 else 0.0
        b = worker(tmp_path, 1)
        for each in (a, b):
            taken += each.take([2.0], [(1.0,)] * 50, [0.0])[0]
        b.leave(NOTHING, 0)
        clock[0] += 1.0
    # 2 a second and 5 seconds' worth at once, twice: the clock that is ahead fills the bucket once.
    assert 2 * 59 <= taken <= 2 * 59 + 10 + 10
    a.leave(NOTHING, 0)
