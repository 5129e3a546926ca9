"""The process of the tests: it runs the tests' own text, asks the program through proxies and reports what ran.

The program is in another process and sees calls, never an expectation. Asserts that passed are counted here, so a
test that did not run is not a test that passed.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import io
import itertools
import math
import re
import sys
import types
import unittest
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from remote import Bridge, Remote, Stop
from wire import Broken, called_names, free_names, helper, write


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


COUNTER = "_assert_that_passed"
MODULES_OF_TESTS = (
    "unittest",
    "pytest",
    "json",
    "re",
    "math",
    "random",
    "string",
    "copy",
    "itertools",
    "collections",
)


class Tests:
    """One run of a problem's tests."""

    def __init__(self, job: dict[str, Any], source: int, sink: int) -> None:
        self.job, self.sink = job, sink
        self.bridge = Bridge(source, sink, self._stopped)
        self.stop: Stop | None = None
        self.asserts = self.tests = 0
        self.label = "the tests"
        self.space: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins, COUNTER: self._passed}

    def _stopped(self, stop: Stop) -> None:
        self.stop = self.stop or stop

    def _passed(self) -> None:
        self.asserts += 1

    def report(self) -> dict[str, Any]:
        """Run everything and tell what came of it."""
        verdict, reason = "correct", ""
        try:
            self._prepare()
            for number, text in enumerate(self.job["texts"], 1):
                self.label = f"test {number} of {len(self.job['texts'])}"
                exec(self._compiled(text), self.space)
            self._run_what_is_defined()
        except Stop as stop:
            verdict, reason = stop.verdict, stop.reason
        except Broken as error:
            verdict, reason = "incorrect", str(error)
        except BaseException as error:
            verdict, reason = self._judge(error)
        if self.stop is not None:
            verdict, reason = self.stop.verdict, self.stop.reason
        if verdict == "correct" and (not self.bridge.calls or not self.asserts + self.tests):
            verdict, reason = "unverifiable", "the tests assert nothing of the program"
        return {
            "report": verdict,
            "reason": reason,
            "label": self.label,
            "ran": max(self.asserts, self.tests),
        }

    def _judge(self, error: BaseException) -> tuple[str, str]:
        """Whether an exception says something of the program, or only that the tests cannot run here."""
        missing = getattr(error, "missing", None)
        if (said := getattr(error, "of_program", None)) is not None:
            return ("incorrect", f"the program raised {said}" if not missing else f"missing:{missing}")  # type: ignore[attr-defined]
        if isinstance(error, ImportError | NameError | SyntaxError | MemoryError | RecursionError):
            return "unverifiable", f"the tests cannot run here: {type(error).__name__}: {error}"
        return "incorrect", f"{type(error).__name__}: {error}"[:200]

    def _prepare(self) -> None:
        """Give the tests their names: helpers of the problem, the standard library, and proxies of the program."""
        for text in self.job["before"]:
            self._run_helpers(text)
        for name, kind in self.job["names"].items():
            if kind.startswith("exception"):
                bases = (getattr(builtins, base, None) for base in kind.split()[1:])
                base = next((b for b in bases if isinstance(b, type) and issubclass(b, Exception)), Exception)
                self.bridge.exceptions[name] = self.space[name] = type(name, (base,), {})
            elif kind != "module":
                self.space[name] = Remote(self.bridge, ["n", name])
        called = called_names(self.job["texts"])
        for name in free_names(self.job["texts"]) - set(self.space) - set(dir(builtins)):
            found = MODULE if name == "pytest" else helper(name, called)
            if found is not None:
                self.space[name] = found

    def _run_helpers(self, text: str) -> None:
        """The problem's own code: its imports and those functions that have a body, never the one that is asked for."""
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return
        for node in tree.body:
            if (
                getattr(node, "name", None) in self.job["names"]
                and getattr(node, "name", None) == self.job["entry"]
            ):
                continue
            try:
                exec(compile(ast.Module([node], []), "problem.py", "exec"), self.space)
            except Exception:
                continue

    def _compiled(self, text: str) -> types.CodeType:
        tree = ast.fix_missing_locations(_Rewriter(self.job["foreign"]).visit(ast.parse(text)))
        return compile(tree, "tests.py", "exec", dont_inherit=True)

    def _run_what_is_defined(self) -> None:
        """`check(candidate)`, unittest classes and pytest functions, as far as the text defined them."""
        space = dict(self.space)
        entry = self.job["entry"]
        check = space.get("check")
        if isinstance(check, types.FunctionType) and not self.bridge.calls and entry in space:
            self.label = "check"
            before = self.asserts
            check(space[entry])
            self.tests += self.asserts > before
        for name, thing in space.items():
            if isinstance(thing, type) and issubclass(thing, unittest.TestCase):
                self._unittest(thing)
            elif isinstance(thing, type) and name.startswith("Test") and thing.__module__ == "tests":
                for method in [m for m in vars(thing) if m.startswith("test")]:
                    self._pytest(f"{name}.{method}", getattr(thing, method), thing)
            elif name.startswith("test") and isinstance(thing, types.FunctionType):
                self._pytest(name, thing, None)

    def _unittest(self, case: type[unittest.TestCase]) -> None:
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
        wanted = suite.countTestCases()
        result = _Result()
        suite.run(result)
        if result.error is not None:
            self.label = result.where
            raise result.error
        if result.testsRun != wanted or result.skipped or not result.wasSuccessful():
            raise self.bridge.fail("unverifiable", f"{wanted} unit tests, but not all of them could run")
        self.tests += wanted

    def _pytest(self, name: str, function: Any, owner: type | None) -> None:
        for case in cases_of(function):
            self.label = name
            instance = owner() if owner else None
            if instance is not None and hasattr(instance, "setup_method"):
                instance.setup_method(*([None] * (len(inspect.signature(instance.setup_method).parameters))))
            wanted = [p for p in inspect.signature(function).parameters if p != "self"]
            given = {p: case[p] if p in case else self._fixture(p) for p in wanted}
            if instance is not None:
                function(instance, **given)
            else:
                function(**given)
            self.tests += 1

    def _fixture(self, name: str) -> Any:
        made: Any = self.space.get(name)
        if not getattr(made, "is_fixture", False):
            raise self.bridge.fail("unverifiable", f"the tests need a fixture {name}")
        value = made(*(self._fixture(p) for p in inspect.signature(made).parameters))
        return next(value) if isinstance(value, types.GeneratorType) else value


class _Result(unittest.TestResult):
    """Remembers the first failure as the exception that it was."""

    error: BaseException | None = None
    where = ""

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        if self.error is None:
            self.error, self.where = err[1], str(test).split(" ")[0]

    addFailure = addError

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None and self.error is None:
            self.error, self.where = err[1], str(test).split(" ")[0]


class _Rewriter(ast.NodeTransformer):
    """Counts asserts that passed, and takes out the imports of the program by a name that only its author knew."""

    def __init__(self, foreign: list[str]) -> None:
        self.foreign = set(foreign)

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        call = ast.Call(ast.Name(COUNTER, ast.Load()), [], [])
        return [node, ast.copy_location(ast.Expr(call), node)]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        if (node.module or "").split(".")[0] not in self.foreign and not node.level:
            return node
        renamed: list[ast.stmt] = [
            ast.Assign([ast.Name(a.asname, ast.Store())], ast.Name(a.name, ast.Load()))
            for a in node.names
            if a.asname and a.asname != a.name
        ]
        return ast.copy_location(ast.If(ast.Constant(True), renamed or [ast.Pass()], []), node)

    def visit_Import(self, node: ast.Import) -> ast.stmt:
        ours = [a for a in node.names if a.name.split(".")[0] in self.foreign]
        kept = [a for a in node.names if a not in ours]
        body: list[ast.stmt] = [ast.Import(kept)] if kept else []
        for alias in ours:
            module = ast.Name("_program_module", ast.Load())
            body.append(ast.Assign([ast.Name(alias.asname or alias.name.split(".")[0], ast.Store())], module))
        return ast.copy_location(ast.If(ast.Constant(True), body, []), node)


class _Module:
    """`import solution`: the program's names as attributes."""

    def __init__(self, bridge: Bridge, space: dict[str, Any]) -> None:
        self._bridge, self._space = bridge, space

    def __getattr__(self, name: str) -> Any:
        known = self._space.get(name)
        return (
            known if type(known) is Remote or isinstance(known, type) else Remote(self._bridge, ["n", name])
        )


def run(job: dict[str, Any], source: int, sink: int) -> None:
    """Run the tests of a job and report."""
    sys.modules["pytest"] = MODULE  # type: ignore[assignment]
    sys.stdin = io.StringIO()
    tests = Tests(job, source, sink)
    tests.space["_program_module"] = _Module(tests.bridge, tests.space)
    write(sink, tests.report())


for _module in MODULES_OF_TESTS:
    if _module != "pytest":
        importlib.import_module(_module)
