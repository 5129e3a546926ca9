"""`factory papers`: write a run's provenance papers: EU, California, Croissant and SPDX."""

from __future__ import annotations

from typing import Annotated

from factory.cli.flags import Flag
from factory.cli.params import Run, run_folder
from factory.cli.show import say


def command(
    run: Run = None,
    repo: Annotated[str | None, Flag("Hub repository that the papers name: OWNER/NAME.")] = None,
) -> None:
    """Write a run's provenance papers from its manifests and from what you answer in RUN/papers/answers.yaml.

    factory papers runs/quickstart
    """
    from factory.publishing.papers import make_papers, open_questions

    *papers, answers = make_papers(run_folder(run), repo=repo)
    for path in papers:
        say(str(path))
    if left := list(open_questions(answers)):
        say(f"{len(left)} answers are to be filled in in {answers}: {', '.join(left)}")
