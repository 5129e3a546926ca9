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

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def make_templates() -> Environment:
    """The environment of the templates, with what they call."""
    templates = Environment(
        loader=PackageLoader("factory.report.viewer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=visible,
    )
    templates.filters |= {
        "show": show,
        "text": lambda value: cut_text(as_text(value)),
        "breaks": breaks,
        "exact": escape,
        "linked": linked,
        "marked": marked,
        "words": lambda value: str(value).replace("_", " "),
    }
    templates.globals |= {
        "operators": [operator.value for operator in Operator],
        "policy": f"{RULES}; {TRUSTED_TYPES}",
        "pretty": pretty,
        "address": lambda path, **query: f"{path}?{urlencode(query)}",
    }
    return templates


def visible(value: Any) -> Any:
    """What a page shows of a value: control characters, and those without a width or that turn the direction, by their number.

    What a form or a script sends back is left alone (`exact`), and so are line breaks, tabs and joiners.
    """
    if type(value) is not str or (value.isascii() and value.isprintable()):
        return value
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", value)


def breaks(value: Any) -> Markup:
    """A name that may be broken after `_` and `:`, so that a table of many columns fits its window."""
    return Markup(re.sub(r"([_:])", r"\1<wbr>", str(escape(visible(str(value))))))


def linked(value: Any) -> Markup:
    """A phrase of a row's history with the ids of rows in it as links."""

    def link(row_id: str) -> str:
        return str(
            Markup('<a class="id" href="/row?{}">{}</a>').format(urlencode({"id": row_id}), visible(row_id))
        )

    parts = _IDS.split(str(value))  # every second part is an id
    return Markup(
        "".join(link(part) if number % 2 else str(escape(visible(part))) for number, part in enumerate(parts))
    )


def marked(text: str, words: str) -> Markup | str:
    """A text with what is searched for marked, whatever its case."""
    if not words or isinstance(text, Markup):
        return text
    parts = re.split(f"({re.escape(words)})", text, flags=re.IGNORECASE)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(visible(part)) if number % 2 else visible(part)
        for number, part in enumerate(parts)
    )


def pretty(text: Any) -> str:
    """JSON laid out for reading; other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, TypeError):
        return str(text or "")
