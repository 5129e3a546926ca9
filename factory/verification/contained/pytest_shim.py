"""The parts of pytest that unit tests of single functions use; pytest itself cannot be loaded in a contained process."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any


class raises:
    """`with raises(ValueError, match="...")` around what has to raise."""

    def __init__(self, kinds: Any, match: str | None = None) -> None:
        self.kinds, self.match, self.value = kinds, match, None

    def __enter__(self) -> raises:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        assert kind is not None, f"did not raise {self.kinds}"
        self.value = error  # type: ignore[assignment]
        return issubclass(kind, self.kinds) and (
            self.match is None or bool(re.search(self.match, str(error)))
        )


class approx:
    """Numbers, and lists and dictionaries of numbers, within a tolerance."""

    def __init__(self, expected: Any, rel: float | None = None, abs: float | None = None) -> None:
        self.expected, self.rel, self.abs = expected, rel, abs

    def __eq__(self, other: Any) -> bool:
        return self._near(self.expected, other)

    __hash__ = None  # type: ignore[assignment]

    def _near(self, want: Any, got: Any) -> bool:
        if isinstance(want, dict):
            return (
                isinstance(got, dict)
                and want.keys() == got.keys()
                and all(self._near(want[k], got[k]) for k in want)
            )
        if isinstance(want, list | tuple):
            return isinstance(got, list | tuple) and len(want) == len(got) and all(map(self._near, want, got))
        if not isinstance(want, int | float) or not isinstance(got, int | float):
            return bool(want == got)
        rel = self.rel if self.rel is not None else (0.0 if self.abs is not None else 1e-6)
        return math.isclose(want, got, rel_tol=rel, abs_tol=1e-12 if self.abs is None else self.abs)


def _same(function: Any) -> Any:
    return function


class _Mark:
    def parametrize(self, names: Any, rows: Any, **_: Any) -> Callable[[Any], Any]:
        keys = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)

        def mark(function: Any) -> Any:
            cases = [
                dict(zip(keys, row if len(keys) > 1 else (row,), strict=True))
                for row in (getattr(r, "values", r) if not isinstance(r, dict) else r for r in rows)
            ]
            function.cases = [*getattr(function, "cases", []), cases]
            return function

        return mark

    def __getattr__(self, _: str) -> Any:
        return lambda *args, **__: args[0] if len(args) == 1 and callable(args[0]) else _same


def cases_of(function: Any) -> Iterator[dict[str, Any]]:
    """The arguments of a test function, one dictionary per case."""
    for rows in itertools.product(*getattr(function, "cases", [])):
        yield {name: value for row in rows for name, value in row.items()}


def fixture(function: Any = None, **_: Any) -> Any:
    """Mark a fixture: a function whose result is the argument of its name."""

    def mark(made: Any) -> Any:
        made.is_fixture = True
        return made

    return mark(function) if callable(function) else mark


def _fail(reason: str = "") -> None:
    raise AssertionError(reason)


MODULE = SimpleNamespace(
    raises=raises, approx=approx, mark=_Mark(), fixture=fixture, fail=_fail, main=lambda *_, **__: 0,
    param=lambda *values, **_: SimpleNamespace(values=values if len(values) > 1 else values[0]),
)  # fmt: skip
