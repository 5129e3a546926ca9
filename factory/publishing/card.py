"""The data card: computed from the run's tables, compared with them by `check_card`.

Text between the two `notes` comments belongs to people: it is kept when the card is made again, and not compared.
"""

from __future__ import annotations

import difflib
import re
from decimal import Decimal
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import yaml

import factory
from factory.config.load import load_recipe
from factory.config.prompt import Given, is_function
from factory.config.recipe import Recipe
from factory.errors import FactoryError, UsageError
from factory.numbers import number
from factory.publishing.licences import hub_licence, teacher_terms
from factory.publishing.run_sql import Answer, Tables, answer, run_tables, unfinished
from factory.run.layout import DATASETS, RunLayout

USES = {
    "midtrain": "packed next-token training (stage 1)",
    "sft": "fine-tuning on a compact subset (stage 2)",
    "preference": "Rollout DPO (stage 3)",
    "rl": "RL with verifiable reward (stage 4)",
    "rollouts": "the student's responses with verdicts",
    "dropped": "which row was dropped, where and why",
}
"""What each published configuration is for."""
NOT_ASKED = {"import", "replay"}
"""Samplers of responses that nobody asked for here: their prompts and settings are others'."""
STEPS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
SIZES = ("n<1K", *(f"{low}<n<{high}" for low, high in pairwise(STEPS)), "n>1T")
"""The Hub's size categories, each ten times the one before it (hf.co/docs/hub/datasets-cards)."""
NOTES = re.compile(r"<!-- notes:[^\n]*-->\n(?P<text>.*?)\n<!-- end of notes -->", re.DOTALL)


def render_card(run: Path, *, repo: str | None = None, notes: str = "", extra: tuple[str, ...] = ()) -> str:
    """The card of a run as Markdown with the Hub's YAML header.

    Args:
        run: a run's folder.
        repo: the Hub repository, for the loading example; `OWNER/<recipe name>` when None.
        notes: text to put between the notes comments.
        extra: further configurations that are published beside the training sets (rollouts, dropped).

    Raises:
        UsageError: the folder holds no recipe or no finished training set.
    """
    at = RunLayout(run)
    if not at.recipe.is_file():
        raise UsageError(f"{run} holds no recipe.yaml", do="give the folder of a `factory run`")
    recipe = load_recipe(at.recipe)
    tables = run_tables(run)
    answers = answer(tables)
    sets = _sets(answers)
    if not sets:
        raise UsageError(f"{run} holds no finished training set", do="let `factory run` finish first")
    recipe_yaml = at.recipe.read_text("utf-8").rstrip()
    names = [entry["name"] for entry in sets]
    return _template().render(
        header=_header(recipe, answers, [*names, *extra]),
        title=recipe.name,
        description=recipe.description.strip() or "Chain-of-thought data, made and checked by cot-factory.",
        sets=sets,
        extra=extra,
        uses=USES,
        notes=notes.strip("\n"),
        repo=repo or f"OWNER/{recipe.name}",
        recipe=recipe,
        prompt=_prompt(recipe.generate.prompt),
        recipe_yaml=recipe_yaml,
        fence=fence_for(recipe_yaml),
        asked="models" not in answers or bool(set(answers["models"].rows["sampler"]) - NOT_ASKED),
        answer=lambda name: _section(answers.get(name)),
        facts=[found.fact for found in answers.values()],
        terms=[(model, teacher_terms(model)) for model in _models(answers, recipe)],
        limits=_limits(recipe, tables, answers, unfinished(run)),
        queries_note=_QUERIES,
        version=factory.__version__,
    )


def check_card(run: Path, card: Path, *, repo: str | None = None, extra: tuple[str, ...] = ()) -> None:
    """Compare a card with the data that it describes.

    Raises:
        UsageError: the card does not exist.
        FactoryError: they disagree; the message shows the first line that differs, as it is and as it should be.
    """
    if not card.is_file():
        raise UsageError(f"{card} does not exist", do=f"make it: factory card {run} --out {card}")
    written = card.read_text("utf-8")
    repo = repo or _repo_of(written)
    expected = render_card(run, repo=repo, notes=notes_of(written), extra=extra or _extra_of(written))
    if written.strip() == expected.strip():
        return
    have, want = written.strip().splitlines(), expected.strip().splitlines()
    for kind, i, _, j, _ in difflib.SequenceMatcher(None, have, want, autojunk=False).get_opcodes():
        if kind != "equal":
            is_now = have[i] if i < len(have) else "(end)"
            must_be = want[j] if j < len(want) else "(end)"
            raise FactoryError(
                f"{card}:{i + 1} disagrees with the data: it says {is_now!r}, the data says {must_be!r}",
                do=f"make it again: factory card {run} --out {card}",
            )


def notes_of(card: str) -> str:
    """The text that people wrote between the notes comments; empty when there is none."""
    found = NOTES.search(card)
    return found["text"].strip("\n") if found else ""


_QUERIES = (
    "Each is a query over the run's tables; the training sets are tables of their own names, "
    "`ledger`, `ledger_dropped` and `totals` come from the manifests (`ledger.json`). "
    "`factory card --check` runs them all again and fails when a number here differs."
)


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters.update(cell=cell, number=number)
    return environment.from_string(resources.files("data_cards").joinpath("card.md.jinja").read_text("utf-8"))


def _sets(answers: dict[str, Answer]) -> list[dict[str, Any]]:
    found = []
    for name in DATASETS:
        size = answers.get(f"{name}_size")
        if size is not None and size.rows["rows"][0]:
            row = size.rows.row(0, named=True)
            found.append({"name": name, "use": USES[name], "tokens": None, **row})
    return found


def _section(found: Answer | None) -> str:
    return f"\n**{found.fact.title}**\n\n{table(found.rows)}\n" if found else ""


def _header(recipe: Recipe, answers: dict[str, Answer], configs: list[str]) -> str:
    licences = [
        licence
        for name, found in answers.items()
        if name.endswith("_licences")
        for licence in found.rows["licence"].to_list()
    ]
    rows = sum(found.rows["rows"][0] for name, found in answers.items() if name.endswith("_size"))
    default = "sft" if "sft" in configs else configs[0]
    header: dict[str, Any] = {
        "pretty_name": recipe.name,
        "license": hub_licence(licences),
        "task_categories": ["text-generation"],
        "tags": ["reasoning", "chain-of-thought", "math", "synthetic", "cot-factory"],
        "size_categories": [size_category(rows)],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if name == default else {}),
                "data_files": [{"split": "train", "path": f"{name}/train-*.parquet"}],
            }
            for name in configs
        ],
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000).rstrip()


def size_category(rows: int) -> str:
    """The Hub's name for this many rows."""
    return SIZES[min(max(len(str(rows)) - 3, 0), len(SIZES) - 1)]


def _models(answers: dict[str, Answer], recipe: Recipe) -> list[str]:
    found = answers.get("models")
    models = (
        found.rows["model"].drop_nulls().to_list()
        if found
        else [recipe.generate.model or recipe.generate.teacher]
    )
    return sorted(set(models))


def _prompt(prompt: Given) -> str:
    """A prompt in one cell of a table."""
    if isinstance(prompt, list):
        return " / ".join(f"{each['role']}: {each['content']}" for each in prompt)
    return (
        f"written by a function of the makers, {prompt.rpartition(':')[2]}" if is_function(prompt) else prompt
    )


def _limits(recipe: Recipe, tables: Tables, answers: dict[str, Answer], missing: list[str]) -> list[str]:
    limits = [
        "Rules decide whether an answer is right; they look at the final answer, never at the reasoning that "
        "leads to it. A right answer can follow from wrong reasoning.",
    ]
    functions = {
        "decides whether an answer is right, instead of the rules": recipe.verify.checker,
        "labels domain and level": recipe.datasets.label,
        "leaves responses out of midtrain, sft and preference": recipe.datasets.filter,
    }
    limits += [
        f"A function of the makers, {reference.rpartition(':')[2]}, {what}; its source is not part of this card."
        for what, reference in functions.items()
        if reference
    ]
    if missing:
        limits.append(f"The run had not finished when this card was made; left out: {', '.join(missing)}.")
    if recipe.verify.judge is None:
        limits.append("No judge looked again at what the rules rejected, so some right answers are missing.")
    if recipe.verify.majority:
        limits.append("Some gold answers are the majority of the samples, not given by the source.")
    if "benchmarks" not in answers:
        limits.append("It was not checked against any benchmark: do not report benchmark scores from it.")
    if "models" in answers and answers["models"].rows.height == 1:
        limits.append("All responses come from one model, and share its habits and its blind spots.")
    if "rollouts" in tables and "preference_size" in answers:
        limits.append(
            "Preference pairs and pass rates belong to one student; another student has other ones."
        )
    if "midtrain_size" in answers and not any(name.endswith("_domains") for name in answers):
        limits.append("Domains are not labelled.")
    return limits


def _repo_of(card: str) -> str | None:
    found = re.search(r'load_dataset\("([^"]+)"', card)
    return found[1] if found else None


def _extra_of(card: str) -> tuple[str, ...]:
    header = card.split("---\n")[1] if card.startswith("---\n") else ""
    return tuple(name for name in ("rollouts", "dropped") if f"config_name: {name}\n" in header)


def cell(value: Any, limit: int = 300) -> str:
    """Text in one table cell: one line, no markup, no link, no HTML, at most `limit` characters."""
    text = " ".join(str(value).split())
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~!{}])", r"\\\1", text)


def table(rows: pl.DataFrame) -> str:
    """A frame as a Markdown table, numbers to the right. Columns `value` and `text` are shown as one."""
    columns = [name for name in rows.columns if name != "text" or "value" not in rows.columns]
    align = {name: "---:" if rows[name].dtype.is_numeric() else "---" for name in columns}
    lines = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |"]
    lines.append("|" + "|".join(align[name] for name in columns) + "|")
    for row in rows.iter_rows(named=True):
        if "value" in columns and row["value"] is None:
            row["value"] = row.get("text")
        lines.append("| " + " | ".join(_shown(row[name]) for name in columns) + " |")
    return "\n".join(lines)


def fence_for(text: str) -> str:
    """A code fence longer than any run of backticks in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, int | float | Decimal):
        return number(value)
    return cell(value)
