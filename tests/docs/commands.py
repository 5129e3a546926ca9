"""docs/commands.md from the verbs' help: `python -m tests.docs.commands` writes it."""

from __future__ import annotations

import re
from pathlib import Path

import click

from factory.cli.main import GROUPS, build_app
from tests.docs.markdown import cell, code

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def page() -> str:
    """The page."""
    app = build_app()
    parts = [
        "# Commands",
        "Written by `python -m tests.docs.commands` from the verbs' `--help`; a test compares.",
        "Every verb works alone, and those of the flow are steps of `factory run`, too. Verbs that look at a run take the newest below "
        "`runs/` when none is named. `--json` prints what a verb ends with as one object; in a pipe tables are lines with "
        "tabs. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped and resumable ([troubleshooting](troubleshooting.md)).",
    ]
    for title, verbs in GROUPS.items():
        parts += [f"## {title}", *(verb_part(name, app.get_command(None, name)) for name in verbs)]
    return "\n\n".join(parts) + "\n"


def verb_part(name: str, command: click.Command | None) -> str:
    """One verb: what it does, examples, and a table per group of flags."""
    parts = [f"### factory {name}"]
    for paragraph in (command.help or "").split("\n\n"):
        lines = [line.strip() for line in paragraph.replace("\b", "").strip("\n").split("\n")]
        if lines[0].startswith("factory "):
            parts.append("\n".join(["```", *lines, "```"]))
        else:
            parts.append(cell(" ".join(lines)))
    for title, rows in command.groups.items():
        heading = [f"| {cell(title)} | |", "|---|---|"]
        parts.append("\n".join([*heading, *(f"| {code(flag)} | {_said(said)} |" for flag, said in rows)]))
    return "\n\n".join(parts)


def _said(text: str) -> str:
    """Help text; the default is code."""
    said, _, default = text.partition(" [default: ")
    return cell(said) + (f" Default: {code(default.removesuffix(']'))}." if default else "")


def examples() -> dict[str, list[str]]:
    """The commands that each verb's help shows."""
    app = build_app()
    return {
        verb: re.findall(r"^\s*(factory .*)$", app.get_command(None, verb).help or "", re.M)
        for verbs in GROUPS.values()
        for verb in verbs
    }


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
