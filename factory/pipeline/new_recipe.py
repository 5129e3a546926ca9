"""A first recipe for people's files, as commented YAML: what was seen in them decides its settings."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from factory.config.load import load_recipe
from factory.config.problems import SourceSection
from factory.errors import UsageError
from factory.pipeline.checks import check_recipe
from factory.pipeline.run import plan
from factory.run.layout import RunLayout
from factory.sampling.presets import PRESETS
from factory.steps.look import Seen
from schemas import AnswerKind

AGAINST = ("aime24", "math500", "gpqa_diamond")
"""Benchmarks of the paper."""
CODE = "{problem} Answer with the program in one ```python block."
NONE = "none"
PAIRS = 4
"""One in so many problems makes a pair; any with right and wrong responses could, and none would be left for rl."""
TENTH = 10
"""One in so many of the problems that were looked at is set aside, where a student is trained."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user decides; the questions of `factory init`."""

    teacher: str
    """Preset, or `none`."""
    model: str | None
    base_url: str | None
    samples: int
    max_usd: float | None
    against: tuple[str, ...]
    student: str
    """Hub id or folder of the model to train, or `none`."""

    @property
    def asks(self) -> bool:
        """Whether a teacher is asked for responses."""
        return self.teacher != NONE


def default_teacher(seen: Sequence[Seen]) -> str:
    """Nobody where responses came with the problems, else the paper's teacher."""
    return NONE if any(each.responses for each in seen) else "deepseek-r1"


def is_priced(teacher: str) -> bool:
    """Whether a cap in dollars can be counted."""
    preset = PRESETS.get(teacher)
    return preset is not None and preset.prices is not None


def new_name(path: str) -> str:
    """A recipe's name from that of its first file."""
    stem = path.partition("?")[0].rstrip("/").rpartition("/")[2].partition(".")[0]
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)) or "mine"


def new_recipe(name: str, sources: Sequence[SourceSection], seen: Sequence[Seen], choices: Choices) -> str:
    """The recipe's text.

    Args:
        name: of the recipe, and of its run's folder.
        sources: the files, with what the user said of them.
        seen: what they hold.
        choices: what the user decided.
    """
    problems, golds = (sum(getattr(each, of) for each in seen) for of in ("problems", "golds"))
    given = sum(each.responses for each in seen)
    most = max(max((each.most for each in seen), default=0), choices.samples if choices.asks else 0)
    majority = golds < problems and most >= 3
    unjudged = golds == 0 and not majority
    aside = problems // TENTH if choices.student != NONE else 0
    held_out = [f"  held_out: {aside}   # set aside for evaluation"] if aside else []
    blocks = [
        [
            f"# Made by factory init. Check it: factory run {name}.yaml --dry-run. Run it: factory run {name}.yaml",
            "# Run it again to resume. Every key and its default: factory schema recipe.",
            "# A checker, prompt, label or filter of your own is a function in a file, such as verify: {checker: "
            "mychecks.py:is_right}; see docs/own-functions.md.",
            f"name: {_text(name)}",
        ],
        ["problems:", *held_out, "  sources:", *(line for each in sources for line in _source(each, seen))],
        [
            "decontamination:",
            f"  against: [{', '.join(map(_text, choices.against))}]   # see factory benchmarks; problems and traces that"
            " repeat one are dropped",
        ],
        _generate(choices, seen, given),
    ]
    if majority:
        why = (
            "no problem has an answer"
            if not golds
            else f"{problems - golds:,} of {problems:,} problems have no answer"
        )
        blocks.append(["verify:", f"  majority: true   # {why}: that of most responses takes its place"])
    sets = []
    if unjudged:
        sets.append("  keep: all   # no problem has an answer to check by: every complete response is kept")
    if given and not choices.asks and 2 * sum(s.reasoning for s in seen) < sum(s.complete for s in seen):
        sets.append("  need_reasoning: false   # most responses come without a reasoning part")
    if sets:
        blocks.append(["datasets:", *sets])
    if choices.student == NONE:
        if most > 1 and not unjudged:
            blocks.append(
                [
                    "difficulty:",
                    "  student: teacher   # pairs and pass rates are made of the responses at hand; no model is rolled out",
                    "preference:",
                    "  match_length: true   # right and wrong sides of about the same length",
                    f"  max_pairs: {max(problems // PAIRS, 1)}   # a quarter of the problems above: the others are left for rl",
                ]
            )
        blocks.append(
            [
                "train: null   # sets only: midtrain, sft"
                + (", preference, rl" if most > 1 and not unjudged else "")
            ]
        )
    else:
        blocks.append(["train:", "  student:", f"    model: {_text(choices.student)}"])
        if not aside:
            blocks.append(["evaluation:", "  stages: []   # there are too few problems to set some aside"])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def check_new(text: str, name: str) -> None:
    """Make the checks of a dry run.

    Raises:
        UsageError: the recipe would be refused; one line per mistake.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, "utf-8")
        recipe = load_recipe(path)
    steps = [step.name for step in plan(recipe, RunLayout(Path("runs") / name))]
    try:
        check_recipe(recipe, steps, elsewhere=True)
    except UsageError as error:
        raise UsageError(_by_flag(str(error))) from error


def _by_flag(text: str) -> str:
    """Mistakes under the flags of `factory init` instead of the recipe's keys."""
    for key, flag in (
        ("generate.teacher:", "--teacher:"),
        ("decontamination.against:", "--against:"),
        ("train.student.model:", "--student:"),
    ):
        text = text.replace(key, flag)
    return text


def _source(source: SourceSection, seen: Sequence[Seen]) -> list[str]:
    own = source.model_dump(exclude_defaults=True)
    mine = [each for each in seen if each.source == source.path]
    lines = [f"    # {line}" for each in mine for line in (each.layout, *each.said)]
    path = _text(own.pop("path"))
    lines.append(f"    - path: {path}")
    licence = own.pop("licence", None)
    lines += [f"      {key}: {_text(value)}" for key, value in own.items()]
    return [
        *lines,
        f"      licence: {_text(licence)}"
        + ("" if licence else "   # a set is published only if it is stated"),
    ]


def _generate(choices: Choices, seen: Sequence[Seen], given: int) -> list[str]:
    if not choices.asks:
        return [
            "generate:",
            "  samples: 0   # nothing is requested; name a teacher and a number to fill up what is missing",
        ]
    there = "; those of the sources count, only what is missing is requested" if given else ""
    lines = ["generate:", f"  teacher: {_text(choices.teacher)}   # factory teachers lists them"]
    lines += [f"  {key}: {_text(value)}" for key in ("model", "base_url") if (value := getattr(choices, key))]
    lines.append(f"  samples: {choices.samples}   # responses per problem{there}")
    if any(AnswerKind.CODE in each.kinds for each in seen):
        lines += ["  prompts:", f"    code: {_text(CODE)}   # the prompt of the others asks for a box"]
    if choices.max_usd is not None:
        cap = [
            "budget:",
            f"  max_usd: {choices.max_usd:g}   # never more than this, for teacher and judges together",
        ]
        return [*cap, "", *lines]
    return lines


def _text(value: Any) -> str:
    """A value in YAML: JSON is a part of it; plain words stay plain."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w./-]*", value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


_WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
