"""Code answers: the program in one contained process, its unit tests in another, the comparison outside the program.

A program receives calls and inputs and gives back data; it never meets an expected value, so there is nothing to read,
patch or forge, and how its process ends proves nothing. Results of calls and printed output are compared here. Tests
that are code themselves (`check(candidate)`, asserts, unittest, pytest) run in a contained process of their own
(`contained/examiner.py`), which counts the assertions that passed.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from factory.verification.code_tests import Suite, read_suite, same_output, same_value
from factory.verification.contained import wire
from factory.verification.contained.wire import called_names, free_names, helper
from factory.verification.result import CheckResult, Method
from factory.verification.sandbox import Contained, Ended, available, first, job, run_python
from schemas.verdict import Verdict

MAX_BLOCKS = 40
_FENCE = re.compile(
    r"^([ \t]*)(```+|~~~+)[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:^(?:\1| {0,3})\2[ \t]*$|\Z)", re.S | re.M
)
"""A fence closes at its own indentation or at less than four blanks (CommonMark, 4.5): one in a docstring does not."""
_PYTHON = frozenset(["", "python", "py", "python3", "py3", "python2", "ipython", "sage"])
_START = re.compile(r"^(?:def|class|import|from|async def|@|[A-Za-z_]\w*\s*=)[^\n]*", re.M)
_READS = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0\b")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of Python with the names it defines at its top level, and those that it uses."""

    source: str
    defined: frozenset[str]
    used: frozenset[str]


def find_program(answer: str, wanted: frozenset[str] | set[str]) -> str | None:
    """The program of an answer.

    Args:
        answer: prose with code blocks, or a bare program.
        wanted: names of which it has to define one; empty for a program that reads and prints.

    Returns:
        The last block that defines a wanted name, after the blocks in front of it whose names it uses; without such a
        block the last that reads input, or the last there is. None when the answer holds no Python.
    """
    fences = list(_FENCE.finditer(answer))[-MAX_BLOCKS:]
    texts = [match[4] for match in fences if match[3].lower() in _PYTHON]
    if not fences:
        texts = [bare] if (bare := _bare_program(answer)) else []
    blocks = [block for text in texts if (block := read_block(text))]
    if not blocks:
        return texts[-1] if texts else None
    chosen = next((i for i in reversed(range(len(blocks))) if wanted & blocks[i].defined), None)
    if chosen is None and not wanted:
        chosen = next((i for i in reversed(range(len(blocks))) if _READS.search(blocks[i].source)), None)
    return _with_helpers(blocks, len(blocks) - 1 if chosen is None else chosen)


def _with_helpers(blocks: list[Block], chosen: int) -> str:
    """A block after those earlier ones that define what it uses and does not define itself."""
    sources, missing = [blocks[chosen].source], blocks[chosen].used - blocks[chosen].defined
    for block in reversed(blocks[:chosen]):
        if missing & block.defined and not blocks[chosen].defined & block.defined:
            sources.insert(0, block.source)
            missing = (missing - block.defined) | (block.used - block.defined)
    return "\n\n".join(sources)


def read_block(text: str) -> Block | None:
    """A block with its names; None when it is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        dedented = "\n".join(re.sub(r"^(?:>>>|\.\.\.) ?", "", line) for line in text.split("\n"))
        return read_block(dedented) if dedented != text else _dedented(text)
    defined: set[str] = set()
    for node in ast.walk(
        ast.Module([n for n in tree.body if not isinstance(n, ast.FunctionDef | ast.ClassDef)], [])
    ):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        if isinstance(node, ast.ClassDef) and node.name == "Solution":
            defined.update(part.name for part in node.body if isinstance(part, ast.FunctionDef))
    used = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return Block(text, frozenset(defined), frozenset(used))


def _dedented(text: str) -> Block | None:
    lines = [line for line in text.split("\n") if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    return read_block("\n".join(line[margin:] for line in text.split("\n"))) if margin else None


def _bare_program(answer: str) -> str | None:
    """A program without a fence: from the first line that looks like Python as far as it can be parsed."""
    for start in list(_START.finditer(answer))[:10]:
        lines = answer[start.start() :].split("\n")
        for cut in range(min(len(lines), 40)):
            text = "\n".join(lines[: len(lines) - cut])
            if text.strip() and read_block(text):
                return text
    return answer if re.search(r"^(?:def|import|from|print|for|while|class)\b", answer, re.M) else None


MAX_TESTS = 50
SECONDS = 3.0
"""Limit of one call, or of one run of a script, in processor time."""
LOADING = 5.0
_PACKAGES = frozenset((
    "numpy", "np", "pandas", "scipy", "sympy", "sklearn", "torch", "matplotlib", "networkx", "requests",
    "tensorflow", "jax", "numba", "seaborn", "PIL", "cv2", "bs4", "nltk", "sortedcontainers", "gmpy2",
    "mpmath", "yaml", "tqdm", "statsmodels", "flask", "django", "attr", "pydantic", "regex", "lxml",
))  # fmt: skip
"""Packages that programs may ask for and that are not offered: what needs one is not wrong, it cannot be tried."""
_PATCHES = re.compile(r"\b(?:mock|monkeypatch|patch|capfd|importlib|subprocess)\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests said."""

    verdict: Verdict
    reason: str


def check_code(answer: str, facts: dict[str, Any], problem: str | None = None) -> CheckResult:
    """Run the program of an answer against the problem's unit tests; all of them must pass."""
    suite = read_suite(facts, problem)
    if suite is None:
        return _result(None, Outcome(Verdict.UNVERIFIABLE, "no unit tests in the metadata"))
    try:
        wanted = asked_names(suite)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _result(None, Outcome(Verdict.UNVERIFIABLE, f"the tests are no Python: {error}"))
    program = find_program(answer, wanted)
    if program is None:
        return _result(None, Outcome(Verdict.NO_ANSWER, "the answer holds no program"))
    if not available():
        return _result(program, Outcome(Verdict.UNVERIFIABLE, "programs cannot be contained on this system"))
    return _result(program, _examine(program, suite, wanted))


def _result(program: str | None, outcome: Outcome) -> CheckResult:
    shown = program[:4_000] if program is not None else None
    return CheckResult(outcome.verdict, Method.CODE, shown, reason=outcome.reason[:300])


def asked_names(suite: Suite) -> set[str]:
    """The names that a program has to define; none for one that reads and prints.

    Raises:
        SyntaxError: a test is no Python.
    """
    if not suite.texts:
        return {suite.entry} if suite.entry and suite.calls else set()
    imported = {name for _, names in _foreign_imports(suite.texts) for name in names}
    if suite.entry:
        return imported | {suite.entry}
    used = free_names(list(suite.texts)) - set(dir(builtins)) - {"pytest"}
    free = used - _defined_before(suite) or used
    called = called_names(list(suite.texts))
    return imported | ({name for name in free if helper(name, called) is None} or free)


def _foreign_imports(texts: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Imports of modules that are neither standard nor known packages: the tests' name for the program."""
    found = []
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                names = [(node.module or "", [alias.name for alias in node.names if alias.name != "*"])]
            elif isinstance(node, ast.Import):
                names = [(alias.name, []) for alias in node.names]
            else:
                continue
            found += [(m, n) for m, n in ((m.split(".")[0], n) for m, n in names) if _is_foreign(m)]
    return found


def _is_foreign(module: str) -> bool:
    return (
        module not in sys.stdlib_module_names
        and module not in _PACKAGES
        and module not in ("pytest", "hypothesis")
    )


def _defined_before(suite: Suite) -> set[str]:
    names: set[str] = set()
    for text in suite.before:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        names |= {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and _has_body(n)}
        names |= {
            t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)
        }
    return names


def _has_body(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether a definition does more than describe itself: a stub is what the answer has to fill in."""
    rest = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    return bool(rest) and not all(isinstance(n, ast.Pass) for n in rest)


def _examine(program: str, suite: Suite, wanted: set[str]) -> Outcome:
    if suite.scripts:
        return _run_scripts(program, suite)
    before = "\n".join(_without(text, wanted) for text in suite.before)
    names = sorted(wanted)
    try:
        with Contained(job("program", program, before=before, names=names)) as process:
            loaded = wire.loads(process.receive(LOADING))
            problem = _cannot_start(loaded, wanted, suite)
            if problem is not None:
                return problem
            if suite.calls:
                return _run_calls(process, suite)
            return _run_texts(process, program, suite, loaded["names"])
    except Ended as error:
        return Outcome(Verdict.INCORRECT, f"the program {error}")
    except wire.Broken as error:
        return Outcome(Verdict.INCORRECT, f"the program broke off: {error}")


def _without(text: str, names: set[str]) -> str:
    """Code of the problem without the definitions that the answer gives; of a text that is no Python, its imports."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "\n".join(re.findall(r"^(?:import|from)\s[^\n]+", text, re.M))
    return ast.unparse([node for node in tree.body if getattr(node, "name", None) not in names])  # type: ignore[arg-type]


def _cannot_start(loaded: Any, wanted: set[str], suite: Suite) -> Outcome | None:
    """Why a loaded program cannot be asked: it lacks the name, or a package."""
    if not isinstance(loaded, dict) or not isinstance(loaded.get("names"), dict):
        return Outcome(Verdict.INCORRECT, "the program could not be loaded")
    needed = {suite.entry} if suite.entry else wanted
    if needed & set(loaded["names"]):
        return None
    error = loaded.get("error")
    if isinstance(error, dict):
        return _raised(error)
    return Outcome(Verdict.INCORRECT, f"the program does not define {', '.join(sorted(map(str, needed)))}")


def _raised(said: dict[str, Any]) -> Outcome:
    """The verdict on a program that raised: a known package that is not there is no fault of it."""
    return _lacks(str(said.get("missing") or "")) or Outcome(
        Verdict.INCORRECT, f"{first(said)}: {said.get('text')}"
    )


def _lacks(module: str) -> Outcome | None:
    root = module.split(".")[0]
    if root in _PACKAGES:
        here = "is not offered to programs" if find_spec(root) else "is not installed"
        return Outcome(Verdict.UNVERIFIABLE, f"the program needs the package {root}, which {here}")
    return None


def _run_scripts(program: str, suite: Suite) -> Outcome:
    tests = suite.scripts[:MAX_TESTS]
    for number, (given, wanted) in enumerate(tests, 1):
        run = run_python(program, given, seconds=SECONDS)
        if run.missing and (lacks := _lacks(run.missing)):
            return lacks
        if not run.ok or not same_output(run.output, wanted):
            reason = run.reason if not run.ok else "another output"
            return Outcome(Verdict.INCORRECT, f"test {number} of {suite.size}: {reason}")
    return Outcome(Verdict.CORRECT, f"{len(tests)} tests passed")


def _run_calls(process: Contained, suite: Suite) -> Outcome:
    """Call the program's function with every test's arguments and compare the results here."""
    tests = suite.calls[:MAX_TESTS]
    for number, (arguments, wanted) in enumerate(tests, 1):
        label = f"test {number} of {suite.size}"
        values = [["n", suite.entry], *(wire.encode(value) for value in arguments)]
        process.send({"ask": "call", "values": values})
        try:
            said = wire.loads(process.receive(SECONDS))
            if not isinstance(said, dict) or "ask" in said:
                raise wire.Broken("no answer")
            if "raised" in said:
                outcome = _raised(said)
                return Outcome(outcome.verdict, f"{label}: {outcome.reason}")
            got = wire.decode(said.get("value"))
            if got is None and not same_value(wanted, None) and isinstance(after := said.get("after"), list):
                got = wire.decode(after[0]) if after else None  # the first argument, changed in place
        except Ended as error:
            return Outcome(Verdict.INCORRECT, f"{label}: the program {error}")
        except (wire.Broken, RecursionError) as error:
            return Outcome(Verdict.INCORRECT, f"{label}: the result is no data ({error})")
        if not same_value(wanted, got):
            return Outcome(Verdict.INCORRECT, f"{label}: another result")
    return Outcome(Verdict.CORRECT, f"{len(tests)} tests passed")


def _run_texts(process: Contained, program: str, suite: Suite, names: dict[str, str]) -> Outcome:
    """Let the tests' own code, in a process of its own, ask the program; frames are passed on unread."""
    if any(_PATCHES.search(text) for text in suite.texts):
        return Outcome(Verdict.UNVERIFIABLE, "the tests reach into the program's process (mock, patch)")
    foreign = sorted({module for module, _ in _foreign_imports(suite.texts)})
    texts = list(suite.texts[:MAX_TESTS])
    kinds = {str(name): str(kind) for name, kind in names.items()}
    more = {
        "texts": texts,
        "before": list(suite.before),
        "names": kinds,
        "entry": suite.entry,
        "foreign": foreign,
    }
    source = "\n".join([*texts, *suite.before, program])
    try:
        with Contained(job("tests", source, **more)) as tests:
            while True:
                try:
                    frame = tests.receive(SECONDS * 2)
                except Ended as error:
                    return Outcome(Verdict.UNVERIFIABLE, f"the tests broke off: {error}")
                said = wire.loads(frame)
                if "report" in said:
                    return _reported(said)
                process.send(frame)
                tests.send(process.receive(SECONDS))
    except wire.Broken as error:
        return Outcome(Verdict.UNVERIFIABLE, f"the tests broke off: {error}")


def _reported(said: dict[str, Any]) -> Outcome:
    if said["report"] == "correct":
        return Outcome(Verdict.CORRECT, f"{said['ran']} tests passed")
    reason = str(said["reason"])
    if reason.startswith("missing:") and (lacks := _lacks(reason.removeprefix("missing:"))):
        return lacks
    return Outcome(Verdict(said["report"]), f"{said['label']}: {reason}")
