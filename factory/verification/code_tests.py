"""Unit tests of a code problem, in the forms in which people have them.

| form | columns |
|---|---|
| HumanEval | `test` (defines `check(candidate)`) and `entry_point`; `prompt` |
| MBPP | `test_list` (assert statements), `test_setup_code`, `test_imports`, `challenge_test_list` |
| APPS, TACO | `input_output`: JSON of `inputs`, `outputs` and perhaps `fn_name` |
| LiveCodeBench | `public_test_cases`: JSON list of `input`, `output`, `testtype`; `metadata.func_name` |
| others | `tests`, `test_cases`, `unit_tests`, `test_code`: any of these, or a text of asserts, unittest or pytest |

A value under one of these names that has none of these forms ("AIME 2024" under `test`) is no test.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass
from typing import Any

TEST_COLUMNS = (
    "tests", "test_cases", "test", "test_list", "input_output", "public_test_cases", "unit_tests", "test_code",
)  # fmt: skip
"""Columns or metadata fields that may hold tests."""
HELP_COLUMNS = (
    "entry_point", "fn_name", "func_name", "test_setup_code", "test_imports", "challenge_test_list", "prompt",
    "starter_code",
)  # fmt: skip
"""Further columns or fields that tests of these forms need."""
_TEST_TEXT = re.compile(r"^\s*assert\b|\bdef (?:check|test\w*)\s*\(|\bunittest\b|\bself\.assert\w+\(", re.M)
_MODULE_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one problem: exactly one of `scripts`, `calls` and `texts` is filled.

    `scripts` are standard inputs with the output wanted, `calls` arguments with the result wanted, `texts` Python of
    the tests. `before` is code of the problem that stands in front of both; `entry` the name of what is asked for.
    """

    scripts: tuple[tuple[str, str], ...] = ()
    calls: tuple[tuple[list[Any], Any], ...] = ()
    texts: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    entry: str | None = None

    @property
    def size(self) -> int:
        """How many tests there are."""
        return len(self.scripts) + len(self.calls) + len(self.texts)


def read_suite(facts: dict[str, Any], problem: str | None = None) -> Suite | None:
    """The tests in a problem's metadata, or None."""
    inner = _json(facts.get("metadata"))
    if isinstance(inner, dict):
        facts = {**inner, **facts}
    entry = next(
        (facts[n] for n in ("entry_point", "fn_name", "func_name") if isinstance(facts.get(n), str)), None
    )
    before = _before(facts, problem)
    for name in TEST_COLUMNS:
        value = _json(facts.get(name))
        if (
            name == "test_list"
            and isinstance(value, list)
            and isinstance(facts.get("challenge_test_list"), list)
        ):
            value = [*value, *facts["challenge_test_list"]]
        suite = _suite(value, entry, before) if value else None
        if suite is not None and suite.size:
            return suite
    return None


def _json(value: Any) -> Any:
    """JSON in a text, or the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _before(facts: dict[str, Any], problem: str | None) -> tuple[str, ...]:
    """Code of the problem: its imports, its set-up, its prompt where that is a program."""
    imports = facts.get("test_imports")
    parts = [*imports] if isinstance(imports, list) else [imports]
    parts += [facts.get("prompt") or problem, facts.get("test_setup_code")]
    found = []
    for part in parts:
        if isinstance(part, str) and part.strip():
            blocks = re.findall(r"```(?:python)?[ \t]*\n(.*?)```", part, re.S)
            found += blocks or [part]
    return tuple(text for text in found if re.search(r"^\s*(?:def|import|from|class)\b|=", text, re.M))


def _suite(value: Any, entry: str | None, before: tuple[str, ...]) -> Suite | None:
    if isinstance(value, str):
        return Suite(texts=(value,), before=before, entry=entry) if _TEST_TEXT.search(value) else None
    if isinstance(value, dict):
        entry = next(
            (value[n] for n in ("fn_name", "func_name", "entry_point") if isinstance(value.get(n), str)),
            entry,
        )
        if isinstance(value.get("inputs"), list) and isinstance(value.get("outputs"), list):
            pairs = list(zip(value["inputs"], value["outputs"], strict=False))
            return _cases(pairs, entry, before) if len(value["inputs"]) == len(value["outputs"]) else None
        return None
    if not isinstance(value, list):
        return None
    if all(isinstance(item, str) and _TEST_TEXT.search(item) for item in value):
        return Suite(texts=tuple(value), before=before, entry=entry)
    if all(isinstance(item, dict) and "input" in item and "output" in item for item in value):
        pairs = [(_arguments(item), _result(item)) for item in value]
        return _cases(pairs, entry if any(map(_functional, value)) else _only_plain(value, entry), before)
    return None


def _functional(item: dict[str, Any]) -> bool:
    return item.get("testtype") == "functional"


def _only_plain(items: list[dict[str, Any]], entry: str | None) -> str | None:
    return None if any(item.get("testtype") == "stdin" for item in items) else entry


def _arguments(item: dict[str, Any]) -> Any:
    """LiveCodeBench writes one argument per line, as JSON."""
    given = item["input"]
    if not _functional(item) or not isinstance(given, str):
        return given
    try:
        return [json.loads(line) for line in given.split("\n") if line.strip()]
    except ValueError:
        return given


def _result(item: dict[str, Any]) -> Any:
    if _functional(item) and isinstance(item["output"], str):
        try:
            return json.loads(item["output"])
        except ValueError:
            return item["output"]
    return item["output"]


def _cases(pairs: list[tuple[Any, Any]], entry: str | None, before: tuple[str, ...]) -> Suite:
    if entry is None or not entry.isidentifier():
        return Suite(scripts=tuple((_text(given), _text(wanted)) for given, wanted in pairs), before=before)
    if pairs and all(isinstance(wanted, list) and len(wanted) == 1 for _, wanted in pairs):
        wrapped = [wanted[0] for _, wanted in pairs]  # APPS writes every result as a list of one
        pairs = [
            (given, _Either(wanted, inner)) for (given, wanted), inner in zip(pairs, wrapped, strict=True)
        ]
    calls = tuple((list(given) if isinstance(given, list) else [given], wanted) for given, wanted in pairs)
    return Suite(calls=calls, before=before, entry=entry)


@dataclass(frozen=True, slots=True)
class _Either:
    """A result that may be wanted as it is or without the list around it."""

    wrapped: Any
    inner: Any


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def same_value(wanted: Any, got: Any) -> bool:
    """Whether a result is the one wanted: JSON knows neither tuples nor sets nor numbers as keys, floats may be off by 1e-6."""
    if isinstance(wanted, _Either):
        return same_value(wanted.wrapped, got) or same_value(wanted.inner, got)
    if isinstance(wanted, dict):
        if not isinstance(got, dict) or len(wanted) != len(got):
            return False
        named = {
            key if isinstance(key, str) else json.dumps(key, default=str): value for key, value in got.items()
        }
        return wanted.keys() == named.keys() and all(
            same_value(value, named[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if isinstance(got, set | frozenset):
            return len(wanted) == len(got) and all(any(same_value(w, g) for g in got) for w in wanted)
        return (
            isinstance(got, list | tuple | deque | range)
            and len(wanted) == len(got)
            and all(map(same_value, wanted, got))
        )
    if isinstance(wanted, float) or isinstance(got, float):
        return _near(wanted, got)
    return type(wanted) is type(got) and bool(wanted == got)


def _near(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(got, bool) or not isinstance(wanted, int | float):
        return False
    if not isinstance(got, int | float):
        return False
    return wanted == got or abs(wanted - got) <= 1e-6 * max(1.0, abs(wanted))


def same_output(output: str, wanted: str) -> bool:
    """Equal word by word in every line, with decimals within 1e-6; blanks at line ends and empty lines at the end do not count."""
    got, want = (text.rstrip().splitlines() for text in (output, wanted))
    if len(got) != len(want):
        return False
    return all(
        len(g := line.split()) == len(w := other.split()) and all(map(_same_word, w, g))
        for line, other in zip(got, want, strict=True)
    )


def _same_word(wanted: str, got: str) -> bool:
    if wanted == got:
        return True
    if not re.fullmatch(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?|[-+]?\d+(?:\.\d*)?[eE][-+]?\d+", wanted):
        return False
    try:
        return _near(float(wanted), float(got))
    except ValueError:
        return False
