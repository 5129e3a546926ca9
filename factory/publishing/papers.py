"""Papers of a run: the EU's public summary of training content, California's documentation, Croissant, SPDX.

All four say what the run knows of itself (`provenance`) and what its user answered (`answers`); what neither knows
stands as "to be filled in".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from factory.atomic import atomic_path
from factory.errors import UsageError
from factory.numbers import number
from factory.publishing.answers import TO_FILL, answers_file, read_answers, write_questions
from factory.publishing.card import cell
from factory.publishing.licences import Terms, teacher_terms
from factory.publishing.provenance import Maker, Model, Provenance, Step, read_provenance
from factory.publishing.release import CROISSANT, SPDX, build_release

EU = "eu-training-content.md"
CALIFORNIA = "california-ab-2013.md"
TEMPLATES = {EU: "eu_summary.md.jinja", CALIFORNIA: "california.md.jinja"}
MADE = re.compile(r"\A<!-- factory papers (\w+): answer in answers\.yaml; edits of this file stop it -->\n")


def make_papers(run: Path, *, repo: str | None = None) -> list[Path]:
    """Write `RUN/papers/`: the two texts and, at the first time, the questions; Croissant and SPDX are in the release.

    Args:
        run: a run's folder.
        repo: the Hub repository; `OWNER/<recipe name>` when None.

    Returns:
        Every paper, and the file of answers last.

    Raises:
        UsageError: no finished set, answers that cannot be read, or a paper that was changed by hand.
    """
    answers = answers_file(run)
    facts, given = read_provenance(run), read_answers(answers)
    texts = {answers.parent / name: render_paper(name, facts, given) for name in TEMPLATES}
    for path in texts:
        _check_untouched(path, answers)
    release = build_release(run, repo=repo)
    for path, text in texts.items():
        with atomic_path(path) as temporary:
            temporary.write_text(text, "utf-8")
    write_questions(answers)
    return [*texts, release.folder / CROISSANT, release.folder / SPDX, answers]


def render_paper(name: str, facts: Provenance, answers: dict[str, str]) -> str:
    """One of the two texts, with a first line that tells whether somebody changed it afterwards."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def template(name: str) -> str:
        file = TEMPLATES.get(name, f"{name}.md.jinja")
        return resources.files("data_cards").joinpath(file).read_text("utf-8")

    environment = Environment(
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        loader=FunctionLoader(template),
    )
    environment.filters.update(cell=cell, said=_said, number=number)
    text = environment.get_template(name).render(**_named(facts, answers))
    return (
        f"<!-- factory papers {_digest(text)}: answer in answers.yaml; edits of this file stop it -->\n{text}"
    )


def _named(facts: Provenance, answers: dict[str, str]) -> dict[str, Any]:
    """What the templates speak of."""
    trained = [step.finished_at for step in facts.steps if step.name.startswith("train-")]
    return {
        "p": facts,
        "a": answers,
        "version": f"data of {facts.dates[1][:10]}",
        "made": bool(facts.by(Maker.ASKED, Maker.STUDENT)),
        "read": any(not source.drawn for source in facts.sources),
        "drawn": sum(source.problems for source in facts.sources if source.drawn),
        "licences": sorted({source.licence for source in facts.sources if source.licence}),
        "trained": min(trained, default=""),
        "box": lambda ticked: "☒" if ticked else "☐",
        "terms": _terms,
        "dropped": _dropped,
    }


def _said(answer: str) -> str:
    """An answer at any length, on one line, which starts neither a heading nor a list where it starts a paragraph."""
    return re.sub(r"^(\d*)([#+.)-])(?=[# ]|$)", r"\1\\\2", cell(answer, limit=100_000))


def _terms(model: Model) -> Terms:
    return teacher_terms("student" if model.maker is Maker.STUDENT else model.name)


def _dropped(step: Step) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in step.dropped.items()) or "-"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_untouched(path: Path, answers: Path) -> None:
    """A paper that somebody edited is not written over."""
    if not path.exists():
        return
    text = path.read_text("utf-8", "replace")
    found = MADE.match(text)
    if found is None or found[1] != _digest(text[found.end() :]):
        raise UsageError(
            f"{path} was changed by hand",
            do=f"move what you wrote to {answers}, then delete or rename {path.name}",
        )


def open_questions(answers: Path) -> Iterator[str]:
    """Questions that nobody has answered yet."""
    yield from (key for key, given in read_answers(answers).items() if given == TO_FILL)
