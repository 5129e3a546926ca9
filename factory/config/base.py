"""What every section of a recipe shares: unknown keys are errors, values are frozen, fields carry their docs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError


class Section(BaseModel):
    """A part of a recipe. The string below a field is its doc."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    for_verbs: ClassVar[frozenset[str]] = frozenset()
    """Fields that only a verb asks for: a recipe says them elsewhere, and old ones that say them here are read."""
    later: ClassVar[Mapping[str, Any]] = {}
    """Fields that came later, with the value that does as was done before: at it they stay out of keys, so that finished
    folders stay finished."""

    def as_before(self) -> set[str]:
        """The fields of `later` that are at that value."""
        return {name for name, value in self.later.items() if getattr(self, name) == value}


def section_of(annotation: Any) -> type[Section] | None:
    """The section that a field holds (`S`, `S | None`, `S | str`), or None."""
    kinds = (annotation, *(get_args(annotation) if get_origin(annotation) is not list else ()))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def items_of(annotation: Any) -> type[Section] | None:
    """The section that the items of a list hold, or None."""
    found = (section_of(each) or items_of(each) for each in get_args(annotation))
    return next((each for each in found if each), None)


def every_key(model: type[Section], prefix: str = "") -> Iterator[str]:
    """Dotted names of all keys of a section and of the sections in it."""
    for name, field in model.model_fields.items():
        if name in model.for_verbs:
            continue
        yield f"{prefix}{name}"
        if (inner := section_of(field.annotation)) is not None:
            yield from every_key(inner, f"{prefix}{name}.")


def did_you_mean(word: object, known: Iterable[str]) -> str | None:
    """`did you mean X?` when a known word is close; case, `-` and `_` do not count."""
    plain = {_plain(each): each for each in known}
    close = difflib.get_close_matches(_plain(str(word)), plain, n=1, cutoff=0.6)
    return f"did you mean {plain[close[0]]}?" if close else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def faults(error: ValidationError, model: type[Section]) -> Iterator[tuple[tuple[str, ...], str, str | None]]:
    """Every mistake that pydantic found, once per key: its path, what is wrong, and what to do if that is known."""
    found: dict[tuple[str, ...], list[Any]] = {}
    for each in error.errors(include_url=False):
        found.setdefault(_fields(each["loc"], model), []).append(each)
    unknown = [path for path, same in found.items() if same[0]["type"] == "extra_forbidden"]
    for path, same in found.items():
        # What an outer section lacks follows from a misspelt key within it.
        inside = [key for key in unknown if len(key) > len(path) and key[: len(path) - 1] == path[:-1]]
        if not (same[0]["type"] == "missing" and inside):
            yield path, *_said(same, path, model)


def _fields(loc: tuple[int | str, ...], model: type[Section]) -> tuple[str, ...]:
    """The path without what pydantic adds for members of a union and for places in a list."""
    path: list[str] = []
    at: type[Section] | None = model
    for before, part in pairwise((None, *loc)):
        if at is None:
            break
        if isinstance(part, int) or isinstance(before, int):  # an item, and the kind that it is read as
            continue
        path.append(str(part))
        field = at.model_fields.get(str(part))
        at = (section_of(field.annotation) or items_of(field.annotation)) if field else None
    return tuple(path)


def _said(same: list[Any], path: tuple[str, ...], model: type[Section]) -> tuple[str, str | None]:
    """What is wrong with one key; of a union's members, what each would have taken."""
    kind, value = same[0]["type"], same[0]["input"]
    if kind == "extra_forbidden":
        return "unknown key", _near_key(path, model)
    if kind == "missing":
        return ("too few values" if isinstance(same[0]["loc"][-1], int) else "is missing"), None
    texts = [each["msg"].removeprefix("Value error, ").partition(", unable to")[0] for each in same]
    texts = [text[:1].lower() + text[1:] for text in texts]
    if kind == "value_error":
        return texts[0], None
    text = " or ".join([texts[0], *(each.removeprefix("input should be ") for each in texts[1:])])
    if isinstance(value, str | int | float | bool) or value is None:
        shown = repr(value)
        text += f", not {shown if len(shown) <= 60 else shown[:57] + '...'}"
    choices = (same[0].get("ctx") or {}).get("expected", "") if kind in ("literal_error", "enum") else ""
    return text, did_you_mean(value, [word for word in choices.split("'") if word.isidentifier()])


def _near_key(path: tuple[str, ...], model: type[Section]) -> str | None:
    """A key that was meant: of the same section by likeness, or of another by its exact name."""
    *sections, last = path
    at = model
    for name in sections:
        kind = at.model_fields[name].annotation
        at = section_of(kind) or items_of(kind) or at
    elsewhere = [key for key in every_key(model) if key.rpartition(".")[2] == last]
    return did_you_mean(last, at.model_fields) or (f"did you mean {elsewhere[0]}?" if elsewhere else None)
