"""`factory difficulty`: measure how hard problems are for a student."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from factory.cli.flags import Flag, Use
from factory.cli.params import Engine, Prompting, Seed, Store, store_folder
from factory.cli.show import say, show
from factory.config.difficulty import DifficultySection
from factory.config.problems import ProblemsSection
from factory.engines.engine import EngineName, open_engine

if TYPE_CHECKING:
    from factory.run.step import StepResult
    from factory.steps.difficulty import Measured


def command(
    problems: Annotated[ProblemsSection, Use(skip=("held_out", "limit"), words="sources")],
    out: Annotated[Path, Flag("Folder for the posteriors; rollouts go to OUT/__rollouts.")],
    settings: Annotated[DifficultySection, Use(names={"problems": "limit"})],
    prompting: Prompting,
    store: Store = None,
    seed: Seed = 0,
    engine: Engine = EngineName.LOCAL,
) -> None:
    """Sample a student on problems until the band of each pass rate is known; rollouts are kept for `pairs`.

    factory difficulty problems.jsonl --student qwen3 --out difficulty
    """
    from factory.cli.ending import say_end
    from factory.errors import UsageError
    from factory.pipeline.checks import need
    from factory.sampling.presets import check_name
    from factory.steps.from_files import roll_out

    if "student" not in settings.model_fields_set:
        raise UsageError("--student is missing", do="name a preset, or transformers with --model FOLDER")
    check_name(settings.student)
    need("difficulty", "stats", "scipy")
    with open_engine(engine) as opened:
        kept = store_folder(store, out)
        result = roll_out(problems, out, settings, prompting, store=kept, seed=seed, engine=opened)
    _show(result, out)
    say_end(result, out)


def _show(result: StepResult[Measured], out: Path) -> None:
    found = result.summary
    rows = [(band, f"{count:,}") for band, count in found.bands.items()]
    rows += [(f"dropped: {reason}", f"{count:,}") for reason, count in result.manifest["dropped"].items()]
    show(f"difficulty in {out}", ("band", ">problems"), rows)
    say(
        f"{found.rollouts:,} rollouts, {found.saved:.0%} fewer than a fixed number per problem; "
        f"{found.sure:,} bands are certain, {found.truncated:,} rollouts were truncated"
    )
