"""Domain and level of one problem: cues and notions first, then the classifier."""

from __future__ import annotations

from factory.datasets.classifier import shipped
from factory.datasets.domain import Domain, cues_of
from factory.datasets.level import notion_level
from schemas import Level

CUE_WEIGHT = 0.75
"""Nats that the first cues of a domain add to the classifier's score; later hits count for less."""


def domain_of(problem: str) -> Domain:
    """The domain with the best sum of classifier score and cue bonus."""
    classifier = shipped("domain")
    scores = classifier.scores(problem)
    cues = cues_of(problem)
    best = max(
        range(len(scores)),
        key=lambda i: scores[i] + CUE_WEIGHT * min(cues.get(Domain(classifier.classes[i]), 0), 3),
    )
    return Domain(classifier.classes[best])


def level_of(problem: str) -> Level:
    """What the classifier says, but at least the level of the most advanced notion named."""
    classifier = shipped("level")
    guess = Level(classifier.classes[int(classifier.scores(problem).argmax())])
    notion = notion_level(problem)
    order = list(Level)
    return guess if notion is None else max(guess, notion, key=order.index)
