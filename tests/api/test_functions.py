"""Functions handed over as such: written out with what they use, found again, and asked again when they change."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import factory as f
from factory.api.functions import reference
from factory.errors import UsageError

ROWS = [
    {"problem": "pi?", "answer": "3.14159", "response": "\\boxed{3.14}", "n": 1},
    {"problem": "pi?", "answer": "3.14159", "response": "\\boxed{3.4}", "n": 2},
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACTORY_PROGRESS", "off")
    monkeypatch.delenv("FACTORY_STORE", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))


SCRIPT = """
import math, re
from fractions import Fraction as F
from functools import lru_cache
import beside
import factory as f

LIMIT = {"tolerance": 0.01}
NUMBER = re.compile(r"[0-9.]+", re.I)

class Box:
    def __init__(self, value: "nonsense"):
        self.value = value
    def near(self, other):
        return math.isclose(self.value, other, rel_tol=LIMIT["tolerance"])

@lru_cache
def number(text):
    found = NUMBER.search(text)
    return float(found[0]) if found else float(F(1, 3))

def made(sign):
    def inner(extracted, answer):
        return Box(number(extracted)).near(number(answer)) and sign > 0
    return inner

def is_right(extracted, answer, /, *, row: dict):
    "Numbers that are near."
    return beside.same(Box(number(extracted)).near(number(answer)))

def topic(problem): return "of " + problem
def keep(verdict): return verdict == "correct"

rows = ROWS
first = f.verify(rows, checker=is_right)
print(first.rows["verdict"].to_list(), first.made, f.verify(rows, checker=is_right).made)
print(f.verify(rows, checker=made(1)).rows["verdict"].to_list())
done = f.select(first, "midtrain", need_reasoning=False, label=topic, filter=keep)
print(done.rows["domain"].to_list())
"""


def script():
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(f.__file__).parents[1]), "PATH": "/usr/bin:/bin", "FACTORY_PROGRESS": "log"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_a_script_hands_over_its_own_functions():
    Path("script.py").write_text(SCRIPT.replace("ROWS", repr(ROWS)))
    Path("beside.py").write_text("def same(value): return value\n")
    done = script()
    assert done.stdout.splitlines() == [
        "['correct', 'incorrect'] True False",
        "['correct', 'incorrect']",
        "['of pi?']",
    ]
    assert script().stdout.startswith("['correct', 'incorrect'] False False")
    Path("beside.py").write_text("def same(value): return not value\n")
    edited = script()
    assert edited.stdout.startswith("['incorrect', 'correct'] True False")
    assert "verify: made again, because of other checker is_right" in edited.stderr


def test_a_function_of_a_file_stays_where_it_is(tmp_path):
    Path("mychecks.py").write_text("def is_right(row): return row['n'] == 2\n")
    import mychecks

    assert reference(mychecks.is_right, Path("cache")) == f"{tmp_path}/mychecks.py:is_right"
    assert f.verify(ROWS, checker=mychecks.is_right).rows["verdict"].to_list() == ["incorrect", "correct"]
    assert not Path("cache").exists()


def test_a_function_of_a_package_is_imported_with_it():
    Path("pack").mkdir()
    Path("pack/__init__.py").write_text("")
    Path("pack/limits.py").write_text("LEAST = 2\n")
    Path("pack/checks.py").write_text("from .limits import LEAST\ndef is_right(n): return n >= LEAST\n")
    from pack.checks import is_right

    assert f.verify(ROWS, checker=is_right).rows["verdict"].to_list() == ["incorrect", "correct"]


def helper(text):
    return len(text)


def test_a_function_within_a_function_brings_what_it_uses():
    least, unit = 3, ("cm", None, {"a": [1.5]})

    def inner(response):
        return helper(response) > least and unit[2]["a"] == [1.5]

    assert f.verify(ROWS, checker=inner).rows["verdict"].to_list() == ["correct", "correct"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda row: True, "a lambda has no name"),
        (len, "is not a function"),
        (dict, "is not a function"),
        ("".join, "is not a function"),
    ],
)
def test_what_cannot_be_written_down_is_one_line(value, says):
    with pytest.raises(UsageError, match=says):
        f.verify(ROWS, checker=value)


def test_what_a_function_uses_and_cannot_be_written_down_is_named():
    handle = threading.Lock()

    def writes(row):
        return bool(handle)

    with pytest.raises(UsageError, match="writes uses handle, which is a lock of its surroundings"):
        f.verify(ROWS, checker=writes)
    text = "def typed(row): return True\n"
    names = {}
    exec(text, names)  # typed in: there is no source
    with pytest.raises(UsageError, match="the source of typed cannot be read"):
        f.verify(ROWS, checker=names["typed"])


def test_a_prompt_is_handed_over_too():
    def ask(problem):
        return [{"role": "user", "content": f"{problem} Say it."}]

    import polars as pl

    from factory.config.generate import GenerateSection
    from factory.sources.problems import problems_of
    from factory.steps.own_prompt import with_messages

    section = GenerateSection(prompt=reference(ask, Path("cache")))
    rows = with_messages(problems_of(pl.DataFrame(ROWS), "s").head(1), section)
    assert rows["_messages"].to_list() == [[{"role": "user", "content": "pi? Say it."}]]
