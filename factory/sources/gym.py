"""Problems of the reasoning-gym library: `reasoning_gym:TASK?count=N&seed=S` (TASK may be `a+b`).

The whole entry travels in the metadata, because the library's own `score_answer` needs it to judge an answer.
"""

from __future__ import annotations

import difflib
import json
from typing import Any

from factory.errors import UsageError
from factory.sources.columns import text_of
from factory.sources.spec import parse_spec
from schemas import AnswerKind

LICENCE = "Apache-2.0"
DEFAULT_COUNT = 500


def gym_problems(text: str, *, seed: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """Problems of a `reasoning_gym:` spec, as rows without `id`; metadata holds `task` and `entry`.

    Settings other than `count` and `seed` go to the task's own configuration as JSON values.

    Raises:
        UsageError: the library is missing, or the task or one of its settings is unknown.
    """
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise UsageError(
            f"{text}: reasoning-gym is not installed", do="pip install 'cot-factory[gym]'"
        ) from error
    spec = parse_spec(text)
    count, seed = spec.whole("count", DEFAULT_COUNT, least=1), spec.whole("seed", seed)
    config = {k: _json_value(v) for k, v in spec.settings.items() if k not in ("count", "seed")}
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
            entries = reasoning_gym.create_dataset(task, size=share, seed=seed, **config)
        except (TypeError, AssertionError, ValueError) as error:
            raise UsageError(f"{text}: reasoning-gym refuses these settings: {error}") from error
        rows += [_row(task, dict(entry)) for entry in entries]
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


def _json_value(raw: str) -> Any:
    try:
        return json.loads(raw)
    except json.JSONDecodeError:
        return raw
