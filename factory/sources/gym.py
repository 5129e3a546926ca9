"""Problems of the reasoning-gym library: `reasoning_gym:TASK?count=N&seed=S` (TASK may be `a+b`).

The whole entry travels in the metadata, because the library's own `score_answer` needs it to judge an answer. With
`choices=K` an entry becomes a choice question: the other options are answers to other entries of the task that the
scorer refuses. With `missing=skip` the source is empty where the library is not installed.
"""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from factory.errors import UsageError
from factory.sources.columns import text_of
from factory.sources.families.choices import choice_params, letter
from factory.sources.spec import parse_spec
from schemas import AnswerKind

LICENCE = "Apache-2.0"
DEFAULT_COUNT = 500
OWN = ("count", "seed", "choices", "missing")
"""Settings that are not the task's."""


def is_skipped(text: str) -> bool:
    """True for a source that may be left out and whose library is not installed."""
    return "missing=skip" in text.partition("?")[2].split("&") and find_spec("reasoning_gym") is None


def gym_problems(text: str, *, seed: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """Problems of a `reasoning_gym:` spec, as rows without `id`; metadata holds `task` and `entry`.

    Settings other than `OWN` go to the task's own configuration as JSON values.

    Raises:
        UsageError: the library is missing, or the task or one of its settings is unknown.
    """
    if is_skipped(text):
        return []
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise UsageError(
            f"{text}: reasoning-gym is not installed", do="pip install 'cot-factory[gym]'"
        ) from error
    spec = parse_spec(text)
    count, seed = spec.whole("count", DEFAULT_COUNT, least=1), spec.whole("seed", seed)
    choices = spec.whole("choices", 0)
    config = {k: _json_value(v) for k, v in spec.settings.items() if k not in OWN}
    tasks = spec.name.split("+")
    rows: list[dict[str, Any]] = []
    for number, task in enumerate(tasks):
        if task not in DATASETS:
            close = difflib.get_close_matches(task, DATASETS, n=3, cutoff=0.4)
            raise UsageError(
                f"{text}: unknown task {task}",
                do=f"there are {len(DATASETS)}, such as {', '.join(close or sorted(DATASETS)[:5])}",
            )
        share = count // len(tasks) + (number < count % len(tasks))
        try:
            dataset = reasoning_gym.create_dataset(task, size=share, seed=seed, **config)
            entries = [dict(entry) for entry in dataset]
        except (TypeError, AssertionError, ValueError) as error:
            raise UsageError(f"{text}: reasoning-gym refuses these settings: {error}") from error
        drawn = [_row(task, entry) for entry in entries]
        rows += [_as_choice(row, entries, dataset, choices) for row in drawn] if choices else drawn
    return rows[: limit or len(rows)]


def _row(task: str, entry: dict[str, Any]) -> dict[str, Any]:
    metadata = {"task": task, "entry": entry}
    return {
        "problem": str(entry["question"]),
        "answer": text_of(entry.get("answer")),
        "answer_kind": AnswerKind.REASONING_GYM.value,
        "answer_source": "given" if entry.get("answer") is not None else None,
        "choices": None,
        "solution": None,
        "source": f"reasoning_gym:{task}",
        "licence": LICENCE,
        "domain": None,
        "level": None,
        "metadata": json.dumps(metadata, ensure_ascii=False, default=str),
    }


def _as_choice(
    row: dict[str, Any], entries: Sequence[dict[str, Any]], dataset: Any, count: int
) -> dict[str, Any]:
    """The row as a question with at most `count` options, for the family `puzzles`."""
    metadata = json.loads(row["metadata"])
    rng = random.Random(row["problem"])
    others = sorted({str(entry["answer"]) for entry in entries})
    wrong = [
        text for text in rng.sample(others, len(others)) if dataset.score_answer(text, metadata["entry"]) < 1
    ]
    if not wrong or row["answer"] is None:
        raise UsageError(f"reasoning_gym:{metadata['task']} has no wrong answers to choose from")
    options = [row["answer"], *wrong[: count - 1]]
    params = choice_params(rng, row["problem"], options, [f"I find {option}." for option in options])
    return row | {
        "answer": letter(params["right"]),
        "answer_kind": AnswerKind.CHOICE.value,
        "choices": params["options"],
        "domain": type(dataset).__module__.split(".")[1],
        "metadata": json.dumps({"family": "puzzles", "params": params, **metadata}, ensure_ascii=False),
    }


def _json_value(raw: str) -> Any:
    try:
        return json.loads(raw)
    except json.JSONDecodeError:
        return raw
