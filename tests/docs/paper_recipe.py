"""The table of docs/paper.md that says what we do: `python -m tests.docs.paper_recipe` writes it from the marked recipe."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.markdown import cell, code

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "paper.md"
RECIPE = ROOT / "recipes" / "phi4_mini_reasoning.yaml"
BLOCK = re.compile(r"(<!-- recipe -->\n)(.*?)(<!-- end -->)", re.S)
MARK = re.compile(r"\[(P|2nd x2|2nd|MEM|INF|ours)[^\]]*\]")
LINE = re.compile(r"^( *)([\w-]+): ?([^#]*?) *(?:# (.*))?$")


def rows() -> list[tuple[str, str, str, str]]:
    """Key, value, how sure, and what is known, of each key of the recipe whose comment carries a mark."""
    found, path = [], []
    lines = RECIPE.read_text("utf-8").split("\nname:")[1].split("\n")
    for number, line in enumerate(lines):
        match = LINE.match(line)
        if match is None:
            continue
        indent, key, value, said = match.groups()
        path = [*path[: len(indent) // 2], key]
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        if said and following.startswith("# ") and lines[number + 1].index("#") > 20:
            said += " " + following[2:]
        if said and value and (marks := dict.fromkeys(each[0] for each in MARK.finditer(said))):
            found.append((".".join(path), value, " ".join(marks), MARK.sub("", said)))
    return found


def table() -> str:
    """The table."""
    lines = ["| key | here | how sure | what is known |", "|---|---|---|---|"]
    for key, value, marks, said in rows():
        plain = re.sub(r"\s+([,;:.)])", r"\1", " ".join(said.split())).strip(" ,;:")
        lines.append(f"| {code(key)} | {code(value)} | {cell(marks)} | {cell(plain)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """docs/paper.md with its table as it should be."""
    return BLOCK.sub(lambda found: found[1] + table() + found[3], PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
