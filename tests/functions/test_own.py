"""A function of the user's own never decides what it did not say, whatever it does, and never ends the work."""

import platform
import sys

import pytest

from factory.engines import framed
from factory.errors import FactoryError, UsageError
from factory.functions.own import Outcome, OwnFunction
from factory.functions.tries import HOPELESS, Tries
from factory.verification.own import told
from tests.functions.hostile import cases
from tests.support.marks import mostly_long

ROWS = [{"response": letter, "answer": "1", "problem": "?"} for letter in "abcdefgh"]


def outcomes(path, name="check", rows=ROWS, seconds=0.5, count=2):
    with OwnFunction(f"{path}:{name}", count=count, seconds=seconds) as function:
        return [told(each, name) for each in function.call_many(rows)]


@pytest.mark.parametrize("seed", mostly_long(range(4)))
def test_hostile_functions_never_say_correct_and_spoil_no_other_row(seed, tmp_path):
    for number, case in enumerate(cases(seed, 8)):
        path = tmp_path / f"check_{number}.py"
        path.write_text(case.source)
        for row, outcome in zip(ROWS, outcomes(path), strict=True):
            if row["response"] in case.bad:
                assert outcome.error and len(outcome.error.splitlines()) == 1, (case.name, outcome)
                assert outcome.value is None and len(outcome.error) < 400, (case.name, outcome)
            else:
                assert outcome == Outcome(True, None, False, outcome.seconds), (case.name, outcome)


@pytest.fixture
def written(tmp_path):
    """`written(text, name="check")`: a reference to a function in a new file."""

    def write(text, name="check"):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return f"{path}:{name}"

    return write


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def check(:\n  pass", "mine.py:1: invalid syntax"),
        ("\0", "null bytes"),
        ("def chek(row): pass", "defines no check - did you mean chek?"),
        ("import nowhere_at_all\ndef check(row): pass", "No module named 'nowhere_at_all' (mine.py:1)"),
        ("from .beside import x\ndef check(row): pass", "ImportError"),
        ("def check(row): pass\n1 / 0", "ZeroDivisionError: division by zero (mine.py:2)"),
        ("import sys\nsys.exit(3)\ndef check(row): pass", "SystemExit: 3 (mine.py:2)"),
        ("import os\nos._exit(3)\ndef check(row): pass", "ended the process while it was loaded (exit code 3)"),
        ("x = bytearray(3 * 2**30)\ndef check(row): pass", "more than 2 GiB of memory"),
        ("async def check(row): pass", "is async"),
        ("def check(row): yield 1", "has yield in it"),
        ("class check: pass", "is a class"),
        ("check = 3", "check is an int, no function"),
        ("def check(respnse): pass", "asks for respnse, and the rows have no such field - did you mean response?"),
        ("def check(zzz): pass", "asks for zzz, and the rows have no such field - fields: answer, problem, response"),
        ("import urllib.request as u\nu.urlopen('http://127.0.0.1:9')\ndef check(row): pass", "uses the network"),
        ("import os\nos.fork()\ndef check(row): pass", "starts or signals processes"),
        ("import factory as f\nf.verify([{'a': 1}])\ndef check(row): pass", "cannot load"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_one_line(text, says, written):
    reference = written(text)
    with (
        pytest.raises(UsageError) as refused,
        OwnFunction(reference, count=1) as function,
    ):
        function.call_many(ROWS)
    assert says in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "reference", ["nowhere.py:check", ".:check", "mine.py", "mine.py:", "check", "a.py:b.c"]
)
def test_a_reference_that_names_nothing_is_one_line(reference):
    with pytest.raises(UsageError) as refused:
        OwnFunction(reference)
    assert len(str(refused.value).splitlines()) == 1


ASKED = {"response": "a", "answer": "1", "n": 2, "none": None, "deep": {"x": [1, None, "é\ud800"]}}


@pytest.mark.parametrize(
    ("parameters", "returns", "value"),
    [
        ("answer, response", "[answer, response]", ["1", "a"]),
        ("row", "row", ASKED),
        ("n, *rest, row", "[n, sorted(row), rest]", [2, sorted(ASKED), []]),
        ("response, /, answer, *, n=5, other=7", "[response, answer, n, other]", ["a", "1", 2, 7]),
        ("**every", "sorted(every)", sorted(ASKED)),
        ("none", "[none]", [None]),
        ("deep", "deep['x'][2]", "é\ud800"),
        ("", "1", 1),
    ],
)
def test_it_gets_the_fields_that_it_asks_for(parameters, returns, value, written):
    with OwnFunction(written(f"def check({parameters}): return {returns}"), count=1) as function:
        assert [each.value for each in function.call_many([ASKED])] == [value]


def test_chance_depends_on_the_row_alone(written):
    reference = written("import random\ndef check(row): return random.random()")
    with OwnFunction(reference, count=1) as one, OwnFunction(reference, count=3) as three:
        first = [each.value for each in one.call_many(ROWS)]
        assert first == [each.value for each in three.call_many(ROWS[::-1])][::-1]
    assert len(set(first)) == len(ROWS)


def test_one_that_waits_meets_the_wall_clock_backstop(written, monkeypatch):
    monkeypatch.setattr(framed, "BACKSTOP_SECONDS", 1.0)
    reference = written("import time\ndef check(row): time.sleep(1e6)")
    with OwnFunction(reference, count=1, seconds=0.05) as function:
        found = function.call_many(ROWS[:1])[0]
    assert found.late and "wall-clock" in str(found.error)


def test_a_probe_of_an_import_that_is_refused_harms_nothing(written, tmp_path):
    """Some modules look for libraries with a process of their own, and do without."""
    (tmp_path / "probes.py").write_text(
        "import subprocess\ntry: subprocess.run(['true'])\nexcept OSError: pass\n"
    )
    reference = written("def check(row):\n    import probes\n    return True")
    with OwnFunction(reference, count=1) as function:
        assert [each.value for each in function.call_many(ROWS)] == [True] * len(ROWS)


LOW = """
import ctypes, threading
libc = ctypes.CDLL(None)
def check(row):
    sockets = [libc.socket(family, 1, 0) for family in (2, 10, 16, 17)]
    processes = [libc.fork(), libc.vfork()]
    within = libc.socket(1, 1, 0)
    found = []
    threads = [threading.Thread(target=found.append, args=(1,)) for _ in range(3)]
    for each in threads: each.start()
    for each in threads: each.join()
    return [sockets, processes, within > 0, found]
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="Linux on x86-64 has the filter"
)
def test_libraries_in_c_get_no_sockets_and_no_processes_and_keep_their_threads(written):
    with OwnFunction(written(LOW), count=1) as function:
        found = function.call_many(ROWS[:2])
    assert [each.value for each in found] == [[[-1] * 4, [-1] * 2, True, [1] * 3]] * 2


def test_tries_end_hopeless_work_early_and_count_the_rest():
    tries = Tries()
    tries.add([Outcome(True), Outcome(error="e: first"), Outcome(error="e: second")])
    tries.check()
    assert tries.said() == "failed at 2 of 3 rows, first: e: first"
    both = Tries.sum([Tries(3, 3, "a").as_json(), tries.as_json()])
    assert (both.rows, both.failed, both.first) == (6, 5, "a")
    with pytest.raises(FactoryError, match="failed at all 3 rows: a"):
        Tries(3, 3, "a").check()
    with pytest.raises(FactoryError, match="all 50 rows"):
        Tries().add([Outcome(error="e")] * HOPELESS)
