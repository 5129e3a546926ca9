"""The viewer's templates: every value is escaped, and an unknown name is an error."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from factory.report.blocks import show
from factory.report.viewer.guard import RULES, TRUSTED_TYPES
from factory.report.viewer.problem import as_text, cut_text
from factory.report.viewer.query import Operator

_IDS = re.compile(r"([pr]-[0-9a-f]{16,32}|(?<=duplicate of )[^\s()]+)")


def make_templates() -> Environment:
    """The environment of the templates, with what they call."""
    templates = Environment(
        loader=PackageLoader("factory.report.viewer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    templates.filters |= {
        "show": show,
        "text": lambda value: cut_text(as_text(value)),
        "breaks": breaks,
        "linked": linked,
        "words": lambda value: str(value).replace("_", " "),
    }
    templates.globals |= {
        "operators": [operator.value for operator in Operator],
        "policy": f"{RULES}; {TRUSTED_TYPES}",
        "pretty": pretty,
        "address": lambda path, **query: f"{path}?{urlencode(query)}",
    }
    return templates


def breaks(value: Any) -> Markup:
    """A name that may be broken after `_` and `:`, so that a table of many columns fits its window."""
    return Markup(re.sub(r"([_:])", r"\1<wbr>", str(escape(value))))


def linked(value: Any) -> Markup:
    """A phrase of a row's history with the ids of rows in it as links."""

    def link(row_id: str) -> str:
        return str(Markup('<a class="id" href="/row?{}">{}</a>').format(urlencode({"id": row_id}), row_id))

    parts = _IDS.split(str(value))  # every second part is an id
    return Markup(
        "".join(link(part) if number % 2 else str(escape(part)) for number, part in enumerate(parts))
    )


def pretty(text: Any) -> str:
    """JSON laid out for reading; other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, TypeError):
        return str(text or "")
