"""docs/data-formats.md from the schemas: `python -m tests.docs.data_formats` writes it."""

from __future__ import annotations

from pathlib import Path

from factory.verification.responses import GOLD, RESPONSE
from schemas import TABLES, TableSchema

PAGE = Path(__file__).parents[2] / "docs" / "data-formats.md"


def either(names: tuple[str, ...]) -> str:
    """Names of which one is enough."""
    return " or ".join(f"`{name}`" for name in names)


COMMANDS = {
    "init": ("any layout, as `import`", "a recipe"),
    "import": (
        "any layout (`--fields problem=PATH` where it is unknown)",
        "`problems/` holds problem, `responses/` response",
    ),
    "generate": ("`problem`; `answer` when there is a gold", "response"),
    "verify": (f"{either(GOLD)}, and {either(RESPONSE)}", "verdict"),
    "dedup": ("the column of `--field` (`problem`)", "the same table with `cluster_id`"),
    "decontaminate": ("the columns of `--field` (`problem`)", "the same table; `hits.parquet` beside it"),
    "difficulty": ("`problem` and `answer`", "difficulty; `rollouts/` holds verdict"),
    "pairs": ("verdict, as `verify` writes it; `--rollouts` too", "preference; `lint.json` beside it"),
    "eval": ("benchmarks: `problem` and `answer`", "verdict per benchmark; `summary.json` beside it"),
    "run": (
        "the sources of the recipe",
        "every table; `datasets/` holds completion, preference and rl_prompt",
    ),
}
"""What each command reads and which table it writes."""


def page() -> str:
    """The page."""
    rows = "\n".join(
        f"| `factory {name}` | {reads} | {writes} |" for name, (reads, writes) in COMMANDS.items()
    )
    return (
        f"""# Data formats

Written by `python -m tests.docs.data_formats` from `schemas/`; a test compares. `factory schema NAME` prints a table in
the terminal, `factory schema recipe` every key of a recipe.

Commands read JSON Lines, JSON (arrays and pretty-printed objects), CSV, TSV, Parquet and Arrow, text also compressed with
gzip or zstd; and folders and globs of such files. CSV is told by its name, everything else by its content. Columns that a
command does not know pass through. Every command writes a folder: `part-*.parquet` is the table, `__dropped/` the rows that
were dropped (table `dropped`), `_manifest.json` the counts, the settings and a checksum of every part. Read the parts with
`pl.read_parquet("OUT/*.parquet")`.

| command | reads at least | writes |
|---|---|---|
{rows}

A column marked * is never null. Reasoning and answer are apart (`reasoning`, `content`); in the training sets they are
TRL's conversational messages.

{"".join(map(section, TABLES.values()))}""".rstrip()
        + "\n"
    )


def section(table: TableSchema) -> str:
    """A table's columns."""
    rows = [
        f"| `{column.name}`{'*' * column.required} | {column.type} | {' '.join(column.doc.split())} |"
        for column in table.columns
    ]
    return "\n".join([f"## {table.name}\n", "| column | type | holds |", "|---|---|---|", *rows, "\n"])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
