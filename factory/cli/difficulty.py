"""`factory difficulty`: measure how hard problems are for a student."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from factory.cli.flags import Flag, Use
from factory.cli.manifest_of import manifest_of
from factory.cli.params import Engine, Prompting, Seed, Store
from factory.cli.show import say, show
from factory.config.difficulty import DifficultySection
from factory.config.problems import ProblemsSection
from factory.config.verify import VerifySection
from factory.engines.engine import EngineName, open_engine


def command(
    problems: Annotated[ProblemsSection, Use(skip=("held_out", "limit"), words="sources")],
    out: Annotated[Path, Flag("Folder for the posteriors; rollouts go to OUT/rollouts.")],
    settings: Annotated[DifficultySection, Use(names={"problems": "limit"})],
    prompting: Prompting,
    store: Store = None,
    seed: Seed = 0,
    engine: Engine = EngineName.LOCAL,
) -> None:
    """Sample a student on problems until the band of each pass rate is known; rollouts are kept for `pairs`.

    factory difficulty problems.jsonl --student qwen3 --out difficulty
    """
    from factory.errors import UsageError
    from factory.sources.paths import refuse_own_input
    from factory.steps import difficulty
    from factory.steps import problems as reading

    if "student" not in settings.model_fields_set:
        raise UsageError("--student is missing", do="name a preset, or transformers with --model FOLDER")
    for folder in (out, out / "rollouts"):
        refuse_own_input(folder, problems.sources)
    before = manifest_of(out)
    reading.run(problems, out / "problems", out / "held_out", seed=seed)
    with open_engine(engine) as opened:
        manifest = difficulty.run(
            out / "problems",
            out,
            out / "rollouts",
            settings,
            VerifySection(),
            model=settings.model,
            store=store or out / "store",
            seed=seed,
            prompt=prompting.prompt,
            system=prompting.system,
            engine=opened,
        )
    if manifest == before:
        say(f"{out} is up to date, nothing to do")
    _show(manifest, out)


def _show(manifest: dict[str, Any], out: Path) -> None:
    totals = manifest["totals"]
    rows = [(band, f"{count:,}") for band, count in totals["bands"].items()]
    rows += [(f"dropped: {reason}", f"{count:,}") for reason, count in manifest["dropped"].items()]
    show(f"difficulty in {out}", ("band", ">problems"), rows)
    say(
        f"{totals['rollouts']:,} rollouts, {totals['saved']:.0%} fewer than a fixed number per problem; "
        f"{totals['sure']:,} bands are certain, {totals['truncated']:,} rollouts were truncated"
    )
