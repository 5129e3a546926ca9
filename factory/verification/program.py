"""The program in an answer: the code block that defines what is asked for, among prose, examples and their output."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

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
