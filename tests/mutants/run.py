"""The mutation score of the pure cores: `python -m tests.mutants.run [--seed 1] [--count 600] [--only TEXT ...]`.

A pure core is a module that touches no file, process or network, by its imports, or one of `ALSO`. Mutants are drawn
evenly over the modules. The tests run once, traced, which tells which test executes which line. Then each mutant is
written into a scratch copy, and a forked process runs the tests that execute its lines, the fastest first, until one
fails. A stopped run resumes with the same command. Mutants in `equivalent.txt` do not count.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import fcntl
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.operators import mutated, sites

ROOT = Path(__file__).parents[2]
IMPURE = {
    "aiohttp", "asyncio", "duckdb", "fcntl", "http", "jinja2", "matplotlib", "multiprocessing", "numba", "openai", "os",
    "pathlib", "ray", "rich", "shutil", "signal", "socket", "sqlite3", "starlette", "subprocess", "tempfile",
    "threading", "torch", "transformers", "trl", "typer", "urllib", "uvicorn",
}  # fmt: skip
ALSO = {
    "journal", "leases", "parts", "writer", "ledger", "budget", "limiter", "gate", "card", "gold", "rewards", "rl",
    "plan", "preflight", "configs",
}  # fmt: skip
"""Modules that count although they touch files."""
ROOMS = [
    "sampling",
    "verification",
    "datasets",
    "decontamination",
    "deduplication",
    "evaluation",
    "publishing",
    "run",
    "text",
    "train",
]
ELSEWHERE = {
    "factory/verification/contained/": ["verification/test_code.py", "verification/test_code_forms.py", "verification/test_hacks.py", "verification/test_sandbox.py", "functions/test_own.py"],
    "factory/text/kernels.py": ["oracle/test_text_kernels.py", "text/test_tokens.py"],
    "factory/decontamination/kernels.py": ["oracle/test_decontamination_kernels.py"],
    "factory/decontamination/reading_kernels.py": ["oracle/test_decontamination_kernels.py", "oracle/test_text_kernels.py"],
    "factory/deduplication/kernels.py": ["oracle/test_dedup_brute_force.py", "oracle/test_dedup_datasketch.py"],
}  # fmt: skip
"""Modules that run in other processes or compiled, where no trace sees them, and the files of tests that run them."""
NOT_HERE = {"chaos", "pipeline", "packaging", "cli", "mutants", "oracle", "benchmarks"}
"""Folders of tests that are slow or start processes."""
LOADED = ["polars", "numpy", "pyarrow.parquet", "pydantic", "scipy.stats", "sympy", "hypothesis", "yaml"]
"""Libraries that the parent loads once for all forks."""
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
LIMIT = 60.0
"""Seconds for one mutant, at least; a mutant that needs longer counts as killed."""


def pure(path: Path) -> bool:
    """Whether a module counts."""
    tops: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            tops |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            tops.add(node.module.partition(".")[0])
    return path.stem in ALSO or not tops & IMPURE


def folder_of(room: str) -> str:
    return room if room == "train" else f"factory/{room}"


def modules(room: str, only: list[str]) -> list[str]:
    """The cores of a room that have mutants, by path."""
    paths = [path for path in sorted((ROOT / folder_of(room)).rglob("*.py")) if pure(path)]
    names = [path.relative_to(ROOT).as_posix() for path in paths if sites(ast.parse(path.read_text("utf-8")))]
    return [name for name in names if not only or any(text in name for text in only)]


def test_files(room: str, near: list[str] | None = None) -> list[str]:
    """Test files of the room and those that import from it; `near` keeps those that import one of these modules themselves."""
    dotted = [name.removesuffix(".py").replace("/", ".") for name in near or [f"{folder_of(room)}.py"]]
    named = re.compile("|".join(rf"\b{name.replace('.', '[./]')}\b" for name in dotted))
    paths = [path.relative_to(ROOT) for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    quick = [path for path in paths if path.parts[1] not in NOT_HERE]
    own = lambda path: not near and path.parts[1] == room  # noqa: E731
    return [path.as_posix() for path in quick if own(path) or named.search((ROOT / path).read_text("utf-8"))]


class Recorder:
    """Lines of `wanted` modules that each passing test executes, and its seconds."""

    def __init__(self, scratch: Path, wanted: list[str]) -> None:
        self.names = {str(scratch / name): name for name in wanted}
        self.tests: dict[str, dict[str, Any]] = {}
        self.failed: set[str] = set()

    def _trace(self, frame: Any, event: str, arg: Any) -> Any:
        name = self.names.get(frame.f_code.co_filename)
        if name is None:
            return None
        self.lines[name].add(frame.f_lineno)
        return self._trace

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Iterator[None]:
        self.lines: dict[str, set[int]] = defaultdict(set)
        began = time.perf_counter()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        yield
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
        lines = {name: sorted(found) for name, found in self.lines.items()}
        self.tests[item.nodeid] = {"seconds": time.perf_counter() - began, "lines": lines}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed or report.skipped:
            self.failed.add(report.nodeid)


def forked(work: Callable[[], int], limit: float, log: Path) -> int | None:
    """Exit code of `work` in a forked process with its own group; None when it took longer than `limit` seconds."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            target = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            for stream in (1, 2):
                os.dup2(target, stream)
            code = int(work())
        finally:
            os._exit(code)
    deadline, status = time.monotonic() + limit, None
    while status is None and time.monotonic() < deadline:
        done, found = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(found) if done else None
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # and what a test left behind
    if status is None:
        os.waitpid(pid, 0)
    return status


def pytest_in(scratch: Path, tests: list[str], plugins: list[Any]) -> int:
    """Run tests against the scratch copy; this process is a fork and is used up."""
    os.chdir(scratch)
    os.environ |= {"PYTHONPATH": str(scratch), "PYTHONDONTWRITEBYTECODE": "1", "FACTORY_PROGRESS": "off"}
    sys.dont_write_bytecode = True
    sys.path[:] = [str(scratch), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [
        name for name in sys.modules if name.partition(".")[0] in ("factory", "schemas", "train", "tests")
    ]:
        del sys.modules[name]
    return int(
        pytest.main(
            ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", "120", *tests], plugins
        )
    )


def traced(scratch: Path, room: str, cores: list[str], near: bool) -> dict[str, dict[str, Any]]:
    """Passing tests of a room with seconds and lines; kept beside the scratch copy."""
    which = f"-near-{zlib.crc32(repr(cores).encode())}" if near else ""
    kept = scratch.parent / f"{room}{which}.json"
    if not kept.exists():
        recorder = Recorder(scratch, cores)

        def work() -> int:
            code = pytest_in(
                scratch, ["--maxfail=1000", *test_files(room, cores if near else None)], [recorder]
            )
            passed = {name: test for name, test in recorder.tests.items() if name not in recorder.failed}
            kept.write_text(json.dumps(passed), "utf-8")
            return code

        print(f"tracing the tests of {room}", file=sys.stderr, flush=True)
        if (code := forked(work, 3600, scratch.parent / f"{room}.log")) not in (0, 1):
            raise SystemExit(
                f"the tests of {room} did not run (exit code {code}): see {scratch.parent / room}.log"
            )
    return json.loads(kept.read_text("utf-8"))


def covering(tests: dict[str, dict[str, Any]], name: str, first: int, last: int) -> list[str]:
    """Tests that execute a line of the change, else all that execute the module; the fastest first."""
    near = {test: facts for test, facts in tests.items() if name in facts["lines"]}
    exact = [t for t, facts in near.items() if any(first <= line <= last for line in facts["lines"][name])]
    return sorted(exact or near, key=lambda test: near[test]["seconds"])


def draw(cores: list[str], count: int, seed: int) -> list[tuple[str, int]]:
    """Mutants as (module, number), the modules in turn."""
    rng = random.Random(seed)
    piles = {}
    for name in cores:
        numbers = list(range(len(sites(ast.parse((ROOT / name).read_text("utf-8"))))))
        rng.shuffle(numbers)
        piles[name] = numbers
    drawn: list[tuple[str, int]] = []
    while len(drawn) < count and any(piles.values()):
        drawn += [(name, pile.pop()) for name, pile in piles.items() if pile]
    return drawn[:count]


def judge(scratch: Path, tests: dict[str, dict[str, Any]], name: str, number: int) -> dict[str, Any]:
    """Run the covering tests against one mutant."""
    source = (ROOT / name).read_text("utf-8")
    site = sites(ast.parse(source))[number]
    line = source.splitlines()[site.first - 1].strip()
    elsewhere = [
        f"tests/{file}" for start, files in ELSEWHERE.items() if name.startswith(start) for file in files
    ]
    chosen = elsewhere or covering(tests, name, site.first, site.last)
    expected = sum(tests[test]["seconds"] for test in chosen if test in tests) or LIMIT * bool(elsewhere)
    fact = {"module": name, "line": site.first, "text": line, "what": site.what, "tests": len(chosen)}
    if not chosen:
        return fact | {"state": "survived"}
    (scratch / name).write_text(mutated(source, number), "utf-8")
    try:
        code = forked(
            lambda: pytest_in(scratch, chosen, []), LIMIT + 5 * expected, scratch.parent / "mutant.log"
        )
    finally:
        (scratch / name).write_text(source, "utf-8")
    return fact | {"state": {0: "survived", None: "timeout"}.get(code, "killed")}


def scratch_copy(work: Path) -> Path:
    """A copy of the checkout's files; a copy of another state is thrown away."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    state = json.dumps([[name, (ROOT / name).stat().st_mtime_ns] for name in names])
    mark, scratch = work / "state.json", work / "copy"
    if not mark.exists() or mark.read_text("utf-8") != state:
        shutil.rmtree(work, ignore_errors=True)
        for name in names:
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, scratch / name)
        mark.write_text(state, "utf-8")
    return scratch


def report(found: list[dict[str, Any]]) -> str:
    """Score by module, then the survivors."""
    known = set(EQUIVALENT.read_text("utf-8").splitlines())
    counted = [m for m in found if f"{m['module']} | {m['text']} | {m['what']}" not in known]
    lines = [f"{'module':<50} mutants  killed  score"]
    for name in [*sorted({m["module"] for m in counted}), "all"]:
        own = [m for m in counted if name in (m["module"], "all")]
        dead = sum(m["state"] != "survived" for m in own)
        lines.append(f"{name:<50} {len(own):>7} {dead:>7}  {dead / len(own):>5.0%}")
    lines.append(f"{len(found) - len(counted)} equivalent ones not counted; survivors:")
    alive = [m for m in counted if m["state"] == "survived"]
    return "\n".join(
        [
            *lines,
            *(f"{m['module']}:{m['line']} | {m['text']} | {m['what']} ({m['tests']} tests)" for m in alive),
        ]
    )


def main() -> None:
    """Draw, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--only", nargs="*", default=[], help="parts of module paths")
    parser.add_argument("--near", action="store_true", help="only tests that import the module themselves")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "mutants")
    asked = parser.parse_args()
    cores = {room: names for room in ROOMS if (names := modules(room, asked.only))}
    drawn = draw([name for names in cores.values() for name in names], asked.count, asked.seed)
    asked.work.mkdir(parents=True, exist_ok=True)
    lock = asked.work.with_suffix(".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(f"another run works in {asked.work}: give --work FOLDER") from None
    scratch = scratch_copy(asked.work.resolve())
    for library in LOADED:
        importlib.import_module(library)
    kept = (
        asked.work / f"seed-{asked.seed}-{asked.count}-{'-'.join(asked.only).replace('/', '.') or 'all'}.json"
    )
    found: list[dict[str, Any]] = json.loads(kept.read_text("utf-8")) if kept.exists() else []
    for name, number in drawn[len(found) :]:
        room = next(room for room, names in cores.items() if name in names)
        found.append(
            judge(
                scratch,
                traced(scratch, room, cores[room] if asked.near else modules(room, []), asked.near),
                name,
                number,
            )
        )
        kept.write_text(json.dumps(found, indent=1), "utf-8")
        print(
            f"{len(found)} of {len(drawn)}: {name}:{found[-1]['line']} {found[-1]['what']}: {found[-1]['state']}",
            file=sys.stderr,
            flush=True,
        )
    print(report(found))


if __name__ == "__main__":
    main()
