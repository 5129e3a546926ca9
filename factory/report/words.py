"""Names of folders, steps and reasons as a reader says them."""

from __future__ import annotations

from factory.redaction import printable
from factory.run.layout import PLACES, Kind, place_of

_REASONS = {
    "over_per_problem": "more than are wanted per problem",
    "over_max_pairs": "more pairs than are wanted",
    "over_max_prompts": "more prompts than are wanted",
    "over_max": "more than are wanted",
    "already_used": "already used in another set",
    "overlong": "longer than the limit",
    "neither": "neither a right nor a wrong response",
    "no_correct": "no right response",
    "no_incorrect": "no wrong response",
    "not_drawn": "not drawn",
    "same_as_held_out": "the same as a held-out problem",
    "gold_length_bias": "taken out against a length bias",
    "length_bias": "taken out against a length bias",
}


def reason_words(reason: str) -> str:
    """A drop reason without underscores, the short ones spelt out."""
    return _REASONS.get(reason, printable(reason.replace("_", " ")))


def step_words(folder: str) -> str:
    """What the step of a folder does: `deduplicate responses`, `select sft rows`, `evaluate dpo on math500`."""
    place = place_of(folder)
    if place is None:
        return printable(folder)
    if place.stage is not None:
        rest = folder.removeprefix(place.folder).strip("/")
        on = f" on {rest}" if rest and place.kind == Kind.EVALUATE else ""
        return f"{place.kind} {place.stage}{on}"
    again = " before rl" if place.part_of == "rl-difficulty" else ""
    if place.kind == Kind.MEASURE:
        return f"measure pass rates{again}"
    if place.kind == Kind.ROLL_OUT:
        return f"roll out the student{again}"
    return f"{place.kind} {place.unit}"


def known(folder: str) -> bool:
    """Whether the folder is one of a run's plan."""
    return folder in PLACES
