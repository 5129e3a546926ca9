"""Which data and which teacher are better, as functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.api.rows import CACHE, Rows, folder_of, to_paths
from factory.api.verbs import section
from factory.errors import UsageError

if TYPE_CHECKING:
    from factory.evaluation.comparison import Comparison, Worth
    from factory.steps.pilot import Piloted


def compare(
    sets: dict[str, Rows] | Sequence[Rows], out: str | Path | None = None, **settings: Any
) -> Comparison:
    """Which training set is better for a student (`factory compare`).

    Args:
        sets: runs, sets, traces or rows of them, two at least; by name, or in a list.
        out: folder; one below .factory/ by default.
        **settings: student, questions, seeds, budget_tokens ... (`factory compare --help`).

    Raises:
        UsageError: a set, the student or the questions cannot be used.
        Stopped: stopped; the same call resumes.
    """
    from factory.config.compare import CompareSection
    from factory.pipeline.compare import compare as run

    given = [to_paths(each, CACHE) for each in (sets.values() if isinstance(sets, dict) else sets)]
    if any(len(paths) != 1 for paths in given):
        raise UsageError("each set is one path or one table", do="put several files of a set into one folder")
    paths = [path for (path,) in given]
    names = list(sets) if isinstance(sets, dict) else paths
    folder = folder_of("compare", out, paths, names, settings)
    return run(paths, folder, section(CompareSection, settings), names)


def ladder(
    recipe: str | Path,
    out: str | Path | None = None,
    *,
    changes: Sequence[str] = (),
    store: str | Path | None = None,
    **settings: Any,
) -> list[Worth]:
    """What each data decision of a recipe is worth to a student (`factory ladder`); the best first.

    Args:
        recipe: a recipe file, or the name of a shipped one.
        out: folder; one below .factory/ by default.
        changes: decisions to try, such as "datasets.keep=all"; the usual ones by default.
        store: response store of all runs.
        **settings: student, questions, seeds, budget_tokens ... (`factory ladder --help`).

    Raises:
        UsageError: the recipe, a change, the student or the questions cannot be used.
        Stopped: stopped, or the budget is spent; the same call resumes.
    """
    from factory.config.ladder import LadderSection
    from factory.pipeline.ladder import ladder as run

    asked = section(LadderSection, {"change": list(changes), **settings})
    folder = folder_of("ladder", out, [str(recipe)], changes, settings)
    return run(recipe, folder, asked, store=Path(store) if store else None)[0]


def pilot(
    given: Rows,
    teachers: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    problems: int = 100,
    student: str | None = None,
    store: str | Path | None = None,
    seed: int = 0,
    **settings: Any,
) -> list[Piloted]:
    """Which teacher is worth its price, on a few problems (`factory teachers pilot`); the best yield first.

    Args:
        given: problems, or traces of several models when no teachers are named.
        teachers: presets, or texts such as "teacher=vllm,model=qwq,base_url=http://...".
        out: folder; one below .factory/ by default.
        problems: how many, drawn by seed.
        student: checkpoint folder, to see how natural the traces are to it.
        store: response store.
        seed: of the draw.
        **settings: keys of `generate:`.

    Raises:
        UsageError: a teacher, the problems or a setting cannot be used.
        Stopped: the budget is spent; the same call goes on.
    """
    from factory.cli.params import store_folder
    from factory.config.generate import GenerateSection
    from factory.config.pilot import PilotSection
    from factory.pipeline.checks import need
    from factory.steps import pilot as step

    need("a pilot", "stats", "scipy")
    if student:
        need("a student's view of traces", "train", "torch", "transformers")
    asked = section(PilotSection, {"teachers": list(teachers), "problems": problems, "student": student})
    paths = to_paths(given, CACHE)
    folder = folder_of("pilot", out, paths, asked, settings, seed)
    kept = store_folder(Path(store) if store else None, folder)
    own = section(GenerateSection, {"samples": 1, **settings})
    return step.run(paths, folder, own, asked, store=kept, seed=seed)
