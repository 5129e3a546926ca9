"""Mutants of a module: small changes of its syntax tree, each of which a test should notice.

Left alone: docstrings, annotations, decorators, imports, `__all__`, f-strings and what is raised.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor"}
SYMMETRIC = {"min", "max", "gcd", "lcm", "isclose", "betaln"}
HARMLESS_KEYWORDS = {"strict", "encoding", "slots", "frozen"}


@dataclass(frozen=True, slots=True)
class Site:
    """One possible change; `change` makes it in the tree."""

    first: int
    last: int
    what: str
    change: Callable[[], None]


def sites(tree: ast.Module) -> list[Site]:
    """Every possible change, in a fixed order."""
    return [
        Site(node.lineno, node.end_lineno or node.lineno, what, change)
        for node in _nodes(tree)
        for what, change in _changes(node)
    ]


def mutated(source: str, index: int) -> str:
    """The source with change number `index` of `sites`."""
    tree = ast.parse(source)
    sites(tree)[index].change()
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    skipped = {"annotation", "returns", "decorator_list", "type_params"}
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if name in skipped or not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Import | ast.ImportFrom | ast.Raise | ast.JoinedStr | ast.Assert):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__all__":
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if hasattr(child, "lineno"):
                yield child
            yield from _nodes(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    match node:
        case ast.Compare():
            for i, op in enumerate(node.ops):
                for table in (FLIPPED, BOUNDARY):
                    if new := table.get(type(op)):
                        said = f"{type(op).__name__} becomes {new.__name__}"
                        yield said, lambda i=i, new=new: node.ops.__setitem__(i, new())
        case ast.BoolOp():
            new = ast.Or if isinstance(node.op, ast.And) else ast.And
            yield f"{type(node.op).__name__} becomes {new.__name__}", lambda: setattr(node, "op", new())
        case ast.UnaryOp(op=ast.Not()):
            yield "not removed", lambda: setattr(node, "operand", _not(node.operand))
        case ast.If() | ast.IfExp():
            yield "condition negated", lambda: setattr(node, "test", _not(node.test))
        case ast.BinOp() | ast.AugAssign():
            if new := ARITHMETIC.get(type(node.op)):
                yield f"{type(node.op).__name__} becomes {new.__name__}", lambda: setattr(node, "op", new())
        case ast.Constant(value=bool()):
            yield f"{node.value} becomes {not node.value}", lambda: setattr(node, "value", not node.value)
        case ast.Constant(value=int() | float()):
            yield f"{node.value} becomes {node.value + 1}", lambda: setattr(node, "value", node.value + 1)
        case ast.Return(value=ast.AST()) if not isinstance(node.value, ast.Constant):
            yield "returns None", lambda: setattr(node, "value", ast.Constant(None))
        case ast.Expr(value=ast.Call()):
            yield "statement removed", lambda: setattr(node, "value", ast.Constant(None))
        case ast.For():
            if not isinstance(node.body[-1], ast.Return | ast.Break | ast.Raise):
                yield "loop ends after its first pass", lambda: node.body.append(ast.Break())
        case ast.Name(id=name) if name in NAMES:
            yield f"{name} becomes {NAMES[name]}", lambda: setattr(node, "id", NAMES[name])
        case ast.Attribute(attr=name) if name in NAMES:
            yield f"{name} becomes {NAMES[name]}", lambda: setattr(node, "attr", NAMES[name])
        case ast.Call():
            yield from _calls(node)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for generator in node.generators:
                if generator.ifs:
                    yield "filter of a comprehension dropped", lambda g=generator: g.ifs.clear()


def _calls(node: ast.Call) -> Iterator[tuple[str, Callable[[], None]]]:
    name = getattr(node.func, "id", getattr(node.func, "attr", None))
    if (
        len(node.args) > 1
        and name not in SYMMETRIC
        and not any(isinstance(a, ast.Starred) for a in node.args[:2])
    ):
        yield "first two arguments swapped", lambda: node.args.__setitem__(slice(0, 2), node.args[1::-1])
    for i, keyword in enumerate(node.keywords):
        if keyword.arg and keyword.arg not in HARMLESS_KEYWORDS:
            yield f"argument {keyword.arg} dropped", lambda i=i: node.keywords.pop(i) and None


def _not(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)
