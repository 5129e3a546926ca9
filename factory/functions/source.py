"""Where a function of the user's own stands, and the digest of what it is made of: its file and the files beside it that it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from factory.atomic import digest, file_digest
from factory.config.base import did_you_mean
from factory.config.functions import REFERENCE
from factory.errors import FactoryError, UsageError


@dataclass(frozen=True, slots=True)
class Source:
    """A function in a file."""

    path: Path
    name: str

    @classmethod
    def of(cls, reference: str) -> Self:
        """The function that `FILE.py:FUNCTION` names; nothing is executed.

        Raises:
            UsageError: there is no such file, it is no Python, or it defines no such name.
        """
        found = REFERENCE.fullmatch(reference)
        if found is None:
            raise UsageError(
                f"{reference} is not of the form FILE.py:FUNCTION", do="docs/own-functions.md has examples"
            )
        path, name = Path(found[1]), found[2]
        names = _defined(_parsed(path))
        if name not in names:
            near = did_you_mean(name, names)
            raise UsageError(
                f"{path} defines no {name}",
                do=near or (f"it defines {', '.join(names)}" if names else "write it as def " + name),
            )
        return cls(path, name)

    @property
    def digest(self) -> str:
        """Changes with the file, and with the files beside it that it imports, and those that they import."""
        return digest([self.name, files_digest(self.path)])


def files_digest(path: Path) -> list[list[str]]:
    """The digests of a file, and of the files beside it that it imports, and those that they import."""
    return [[each.name, file_digest(each)] for each in _imported(path)]


def function_settings(**functions: str | None) -> dict[str, str]:
    """What functions add to the settings of a step's key: `{"checker is_right": digest}`; nothing where there is none.

    Raises:
        UsageError: there is no such function.
    """
    sources = {role: Source.of(each) for role, each in functions.items() if each is not None}
    return {f"{role} {source.name}": source.digest for role, source in sources.items()}


def check_unchanged(settings: Mapping[str, Any], **functions: str | None) -> None:
    """Refuse work during which a function was edited: nobody knows which rows which version saw.

    Raises:
        FactoryError: the settings of the step's key hold another digest.
    """
    for name, found in function_settings(**functions).items():
        if settings.get(name) != found:
            raise FactoryError(f"{name} was edited while it was at work", do="run the same command again")


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", do="paths are read from the folder you are in") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except SyntaxError as error:
        raise UsageError(f"{path}:{error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, nesting
        raise UsageError(f"{path} is not Python: {error}") from error


def _defined(tree: ast.Module) -> list[str]:
    """Names that a module binds, wherever in it; its own functions first."""
    functions = [each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    others = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            others.append(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            others += [alias.asname or alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ClassDef):
            others.append(node.name)
    return list(dict.fromkeys([*functions, *others]))


def _imported(path: Path) -> list[Path]:
    """The file, and every file beside it (or below) that it imports, directly or not; in order of their paths."""
    root, found, todo = path.parent, {path}, [path]
    while todo:
        for each in _files(todo.pop(), root):
            if each not in found:
                found.add(each)
                todo.append(each)
    return [path, *sorted(found - {path})]


def _files(path: Path, root: Path) -> Iterator[Path]:
    """Files below `root` that a file imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return  # what cannot be read is said when it is loaded
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            start = path.parents[node.level - 1] if node.level and node.level <= len(path.parents) else root
            parts = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from _modules(start, [*parts, alias.name])


def _modules(start: Path, parts: list[str]) -> Iterator[Path]:
    """The files of a dotted name, of its packages too, as far as they are there."""
    for end in range(1, len(parts) + 1):
        at = start.joinpath(*parts[:end])
        yield from (each for each in (at.with_suffix(".py"), at / "__init__.py") if each.is_file())
