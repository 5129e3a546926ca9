"""What the reader asked of a table, read from the page's address: search, filters, order, columns, page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlencode

ROWS = 50
MOST_FILTERS = 12


class Operator(StrEnum):
    """How a filter compares a column with its value."""

    IS = "is"
    IS_NOT = "is not"
    CONTAINS = "contains"
    BELOW = "<"
    ABOVE = ">"
    EMPTY = "empty"
    FILLED = "filled"


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one column."""

    column: str
    operator: Operator
    value: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A view of one table. `deep` also searches the long columns (reasoning, messages, whole dropped rows)."""

    sheet: str
    search: str = ""
    deep: bool = False
    filters: tuple[Filter, ...] = ()
    sort: str | None = None
    descending: bool = False
    page: int = 0
    columns: tuple[str, ...] = ()

    def link(self, **changes: object) -> str:
        """The address of this view with some of it changed; any change but of the page goes back to the first page."""
        target = replace(self, **({"page": 0} | changes))  # type: ignore[arg-type]
        pairs: list[tuple[str, str]] = [("sheet", target.sheet)]
        if target.search:
            pairs.append(("q", target.search))
        if target.deep:
            pairs.append(("deep", "1"))
        for one in target.filters:
            pairs += [("fc", one.column), ("fo", one.operator.value), ("fv", one.value)]
        if target.sort:
            pairs += [("sort", target.sort), ("desc", "1" if target.descending else "0")]
        pairs += [("col", column) for column in target.columns]
        if target.page:
            pairs.append(("page", str(target.page)))
        return "/table?" + urlencode(pairs)

    def with_filter(self, one: Filter) -> str:
        """The address with one more filter."""
        return self.link(filters=(*[f for f in self.filters if f != one], one))

    def without_filter(self, one: Filter) -> str:
        """The address with one filter less."""
        return self.link(filters=tuple(f for f in self.filters if f != one))


def read_query(
    sheet: str, known: Sequence[str], single: Mapping[str, str], multi: Mapping[str, Sequence[str]]
) -> Query:
    """A query from address parameters; whatever is unknown or malformed is left out.

    Args:
        sheet: name of the table.
        known: its columns; others are never passed on.
        single: parameters that stand once: q, deep, sort, desc, page.
        multi: parameters that repeat: fc, fo, fv (filters), col (columns).
    """
    filters = []
    for column, operator, value in zip(multi["fc"], multi["fo"], multi["fv"], strict=False):
        if column in known and operator in set(Operator):
            filters.append(Filter(column, Operator(operator), value[:1_000]))
    sort = single.get("sort")
    page = single.get("page", "0")
    return Query(
        sheet,
        single.get("q", "").strip()[:400],
        single.get("deep") == "1",
        tuple(filters[:MOST_FILTERS]),
        sort if sort in known else None,
        single.get("desc") == "1",
        min(int(page), 10**7) if page.isdecimal() and page.isascii() else 0,
        tuple(column for column in dict.fromkeys(multi["col"]) if column in known),
    )
