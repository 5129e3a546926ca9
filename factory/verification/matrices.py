"""Sums and products of matrices written out, so that `1/3 (1 2; 3 4)` and `A + B` are matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from factory.verification.syntax import Node, NotMath

MAX_SIDE = 12


def fold(node: Node) -> Node:
    """A sum, difference or product with matrices as one matrix; other nodes unchanged.

    Raises:
        NotMath: shapes do not fit.
    """
    if node.kind not in ("add", "mul", "neg"):
        return node
    args = [fold(arg) for arg in node.args]
    matrices = [arg for arg in args if arg.kind == "matrix"]
    if not matrices:
        return node
    if any(len(m.args) > MAX_SIDE or len(m.args[0].args) > MAX_SIDE for m in matrices):
        raise NotMath("matrix too large")
    if node.kind == "neg":
        return _each(args[0], lambda cell: Node("neg", (cell,)))
    if node.kind == "add":
        if len(matrices) != len(args) or len({_shape(m) for m in matrices}) != 1:
            raise NotMath("a sum of different shapes")
        rows = zip(*(m.args for m in args), strict=True)
        return _matrix(
            [
                [Node("add", cells) for cells in zip(*(row.args for row in group), strict=True)]
                for group in rows
            ]
        )
    left, right = args
    if left.kind != "matrix":
        return _each(right, lambda cell: Node("mul", (left, cell)))
    if right.kind != "matrix":
        return _each(left, lambda cell: Node("mul", (cell, right)))
    if _shape(left)[1] != _shape(right)[0]:
        raise NotMath("a product of shapes that do not fit")
    columns = list(zip(*(row.args for row in right.args), strict=True))
    return _matrix(
        [
            [
                Node("add", tuple(Node("mul", pair) for pair in zip(row.args, column, strict=True)))
                for column in columns
            ]
            for row in left.args
        ]
    )


def _shape(node: Node) -> tuple[int, int]:
    return len(node.args), len(node.args[0].args)


def _each(node: Node, change: Callable[[Node], Node]) -> Node:
    return _matrix([[change(cell) for cell in row.args] for row in node.args])


def _matrix(rows: Sequence[Sequence[Node]]) -> Node:
    return Node("matrix", tuple(Node("tuple", tuple(row)) for row in rows), "matrix")
