"""What only a person knows about a data set: asked in `RUN/papers/answers.yaml`, which is written once and never again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from factory.atomic import atomic_path
from factory.config.base import did_you_mean
from factory.errors import UsageError, first_line

TO_FILL = "to be filled in"
QUESTIONS = {
    "provider": "Name and contact details of whoever answers for the data and the model.",
    "representative": "Authorised representative in the Union: name and contact details (EU 1.1).",
    "model_names": "Versioned names of the models trained on this data (EU 1.2).",
    "model_dependencies": "Model that was modified or fine-tuned, with a link to its own summary (EU 1.2).",
    "market_date": "Date on which the model was placed on the Union market (EU 1.2).",
    "other_training_data": "What the model was trained on beside this data, and how much of it (EU 1.3).",
    "languages": "Languages of the data (EU 1.3).",
    "sources_collected": "When the sources themselves were collected, and whether that goes on (EU 1.3, California 10).",
    "public_datasets": "Which of the sources are publicly available data sets, with links (EU 2.1).",
    "commercial_licences": "Licensing agreements concluded, or data purchased (EU 2.2.1, California 6).",
    "private_datasets": "Which of the sources are private data sets of third parties (EU 2.2.2).",
    "crawlers": "Crawlers used by you or for you: names, purposes, period (EU 2.3).",
    "user_prompts": "Whether interactions of users with the model are among the sources (EU 2.4).",
    "user_services": "Whether data of users of your other services are among the sources (EU 2.4).",
    "other_sources": "Further sources of data (EU 2.6).",
    "code_of_practice": "Whether you have signed the Code of Practice for general-purpose AI models (EU 3.1).",
    "reserved_rights": "Measures to respect reservations of rights from text and data mining (EU 3.1).",
    "illegal_content": "Measures taken to remove illegal content (EU 3.2).",
    "owners": "Owners of the sources (California 1).",
    "purpose": "How the data furthers the intended purpose of the system (California 2).",
    "copyright": "Whether data is protected by copyright, trademark or patent, or all in the public domain (California 5).",
    "personal_information": "Whether the data includes personal information; begin with yes or no (California 7, RAI, SPDX).",
    "consumer_information": "Whether the data includes aggregate consumer information (California 8).",
    "first_used": "When the data was first used in the development of the system (California 11).",
    "synthetic_purpose": "Why synthetic data was needed, in relation to the system's purpose (California 12).",
    "biases": "Biases of the data (RAI, SPDX).",
    "social_impact": "Social impact (RAI).",
    "maintenance": "Who maintains the data, how long, how often (RAI, SPDX).",
}
"""What is asked, and in which paper the answer stands."""
HEAD = """\
# Only you know these. What is left empty stands as "to be filled in" in the papers.
# `factory papers` reads this file and never writes it again.
"""


def answers_file(run: Path) -> Path:
    """Where a run's answers are."""
    return run / "papers" / "answers.yaml"


def read_answers(path: Path) -> dict[str, str]:
    """Every question with its answer, or with `to be filled in`. An absent file answers nothing.

    Raises:
        UsageError: it cannot be read, is not a mapping, or answers what nobody asked.
    """
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        given = yaml.safe_load(text) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(
            f"cannot read {path}: {first_line(error)}", do="correct it, or delete it to start again"
        ) from error
    if not isinstance(given, dict):
        raise UsageError(f"{path} is not a mapping", do="write one `question: answer` per line")
    for key in given:
        if key not in QUESTIONS:
            near = did_you_mean(key, QUESTIONS) or "delete it to get the list of questions again"
            raise UsageError(f"{path}: no question {str(key)[:80]}", do=near)
        if len(re.findall(rf"^{key}[ \t]*:", text, re.MULTILINE)) > 1:
            raise UsageError(f"{path}: {key} is answered twice", do="join the two answers")
    return {key: _text(given.get(key)) or TO_FILL for key in QUESTIONS}


def write_questions(path: Path) -> bool:
    """Write the file with empty answers; False when there is one already, which stays as it is.

    Raises:
        UsageError: the folder cannot be written.
    """
    if path.exists():
        return False
    lines = [f"\n# {what}\n{key}:\n" for key, what in QUESTIONS.items()]
    with atomic_path(path) as temporary:
        temporary.write_text(HEAD + "".join(lines), "utf-8")
    return True


def _text(value: Any) -> str:
    """An answer as text: YAML makes yes, dates, numbers and lists of some."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(text for item in value if (text := _text(item)))
    return (
        json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value).strip()
    )
