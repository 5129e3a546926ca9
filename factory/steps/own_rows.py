"""Labels and a filter of the user's own: what their functions are given of a row, and what their word means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import polars as pl

from factory.engines.engine import share
from factory.functions.fields import fields_of
from factory.functions.own import Outcome, OwnFunction
from factory.functions.tries import Tries
from schemas import LABELLED, PROBLEM

LABELS = ("domain", "level")
LABEL = 'return a domain, {"domain": text, "level": text} or a part of it, or None'
KEEP = "return True to keep the row, False or a text that says why not"
FILTERED, FAILED = "filtered", "filter_failed"


@contextmanager
def opened(reference: str | None) -> Iterator[OwnFunction | None]:
    """A function, in as many processes as this one may keep busy; None for none."""
    if reference is None:
        yield None
        return
    with OwnFunction(reference, count=share()) as function:
        yield function


def own_labels(
    problems: pl.DataFrame, function: OwnFunction | None, tries: Tries
) -> dict[str, Mapping[str, str | None]]:
    """What a function says of problems, by `problem_id`; where it fails nothing.

    Raises:
        UsageError: it asks for a field that there is not.
        FactoryError: it failed at all problems so far, and they are many.
    """
    if function is None:
        return {}
    names = [n for n in problems.columns if n in (*PROBLEM.names, "problem_id") or n not in LABELLED.names]
    rows = list(problems.select(names).iter_rows(named=True))
    outcomes = function.call_many([fields_of(row) for row in rows])
    found: dict[str, Mapping[str, str | None]] = {}
    for place, outcome in enumerate(outcomes):
        labels = None if outcome.error else _labels(outcome.value)
        if labels is None:
            outcomes[place] = outcome.refused(function.name, LABEL)
        else:
            found[rows[place]["problem_id"]] = labels
    tries.add(outcomes)
    return found


def own_filter(rows: pl.DataFrame, function: OwnFunction | None, tries: Tries) -> pl.DataFrame:
    """Why each response does not go on: `reason` and `detail`, null for those that do; one that it fails at does not.

    Raises:
        UsageError: it asks for a field that there is not.
        FactoryError: it failed at all rows so far, and they are many.
    """
    schema = {"reason": pl.String, "detail": pl.String}
    if function is None:
        return pl.DataFrame([(None, None)] * rows.height, schema=schema, orient="row")
    given = [{**fields_of(row), "response": row["content"]} for row in rows.iter_rows(named=True)]
    outcomes = [
        each
        if each.error or isinstance(each.value, bool) or _is_text(each.value)
        else each.refused(function.name, KEEP)
        for each in function.call_many(given)
    ]
    tries.add(outcomes)
    return pl.DataFrame(list(_reasons(outcomes)), schema=schema, orient="row")


def _reasons(outcomes: Iterable[Outcome]) -> Iterator[tuple[str | None, str | None]]:
    for each in outcomes:
        if each.error:
            yield FAILED, each.error
        elif each.value is True:
            yield None, None
        else:
            yield FILTERED, each.value or None


def _labels(value: Any) -> dict[str, str | None] | None:
    """Domain and level; None for what is neither."""
    if value is None or _is_text(value):
        return {"domain": value}
    if not isinstance(value, dict) or not value.keys() <= {*LABELS}:
        return None
    return value if all(each is None or _is_text(each) for each in value.values()) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
