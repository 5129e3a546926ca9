"""docs/recipe-keys.md from the configuration: `python -m tests.docs.recipe_keys` writes it."""

from __future__ import annotations

from pathlib import Path

from factory.cli.schema import recipe_keys
from factory.config.base import section_of
from factory.config.recipe import Recipe
from tests.docs.markdown import cell, code

PAGE = Path(__file__).parents[2] / "docs" / "recipe-keys.md"


def page() -> str:
    """The page."""
    rows = list(recipe_keys(Recipe))
    sections = [name for name, field in Recipe.model_fields.items() if section_of(field.annotation)]
    top = [row for row in rows if row[0].partition(".")[0] not in sections]
    parts = [
        "# Recipe keys",
        "Written by `python -m tests.docs.recipe_keys` from `factory/config/`; a test compares. `factory schema recipe` prints "
        "the same, `factory schema recipe --json` a JSON schema that editors complete and check YAML with. "
        "Every key belongs to version 0.1.0, the first one. A key is changed for one run with `--set SECTION.KEY=VALUE`; "
        "a verb has the same key as a flag, `--max-usd` for `max_usd`. Marks such as [P] and [2nd] are those of [the paper's page](paper.md).",
        "## The recipe itself",
        _table(top),
    ]
    for name in sections:
        doc = next(row[3] for row in rows if row[0] == name)
        parts += [f"## {name}", cell(doc), _table([row for row in rows if row[0].startswith(f"{name}.")])]
    return "\n\n".join(parts) + "\n"


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = ["| key | type | default | what it does |", "|---|---|---|---|"]
    lines += [
        f"| {code(key)} | {code(kind)} | {code(default)} | {cell(doc)} |" for key, kind, default, doc in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
