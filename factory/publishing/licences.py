"""Which licences let rows be passed on, and what the teachers' makers ask of those who use their output.

A licence is judged by its name alone: this is a guard against mistakes, not legal advice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FORBIDS = re.compile(
    r"\bnd\b|no[- ]?deriv|all rights reserved|proprietary|no[- ]redistribut|non[- ]?redistribut|not redistribut"
    r"|do not (re)?distribute|research[- ]only|confidential|internal use",
    re.IGNORECASE,
)
"""Names of licences under which changed copies must not be passed on."""
UNSTATED = re.compile(r"^\s*(none|unknown|n/?a|null|-|\?)?\s*$|^none (in|at|stated)", re.IGNORECASE)
"""What stands for no licence at all."""

HUB_IDS = frozenset(
    ("mit", "apache-2.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc0-1.0", "odc-by", "bsd-3-clause")
)
"""The Hub's identifiers; sources state the same names with spaces and capitals."""


def refusal(licence: str | None) -> str | None:
    """Why rows under this licence must not be published, or None when they may be."""
    if licence is None or UNSTATED.search(licence):
        return "states no licence"
    if FORBIDS.search(licence):
        return f"has the licence {licence!r}, which does not allow changed copies to be passed on"
    return None


def hub_licence(licences: list[str | None]) -> str:
    """The Hub's identifier when all rows share one known licence, else `other` (the card lists them all)."""
    names = {(licence or "").strip().lower().replace(" ", "-") for licence in licences}
    found = {"cc0-1.0" if name == "cc0" else name if name in HUB_IDS else "other" for name in names}
    return found.pop() if len(found) == 1 else "other"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a model's maker says about using its output to train other models."""

    terms: str
    source: str


_TERMS: tuple[tuple[str, Terms], ...] = (
    (
        r"procedural",
        Terms("Written by code of the factory; no model and no foreign terms.", "factory/sampling"),
    ),
    (
        r"deepseek.*r1|deepseek-reasoner",
        Terms(
            'MIT; derivative works, "including, but not limited to, distillation for training other LLMs", are allowed.',
            "github.com/deepseek-ai/DeepSeek-R1, section License",
        ),
    ),
    (r"qwq|qwen3", Terms("Apache-2.0.", "the model's own licence file")),
    (r"gpt-oss", Terms("Apache-2.0.", "the model's own licence file")),
    (
        r"^(gpt-|o\d|chatgpt)",
        Terms(
            "The maker's terms forbid using output to develop models that compete with its own.",
            "the maker's terms of use, read them before publishing",
        ),
    ),
    (r"^(student|tiny)", Terms("Trained in this run; the base model's licence applies.", "train/base")),
)


def teacher_terms(model: str) -> Terms:
    """What is known about a model's terms; says so when nothing is."""
    for pattern, terms in _TERMS:
        if re.search(pattern, model, re.IGNORECASE):
            return terms
    return Terms("Not known to the factory: read the model's licence before you use or publish this.", "-")
