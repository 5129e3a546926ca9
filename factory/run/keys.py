"""Which settings decide what a step makes: one declaration for all steps.

A setting that only says where, how fast, by how many or at what price the work is done is left out of the key, so
that moving an endpoint or raising a budget makes nothing again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel

from factory.config.base import Section
from factory.config.endpoint import NOT_IN_KEY

UNDECIDING = NOT_IN_KEY | {"batch", "batch_size", "workers"}
"""Names of settings, in any section, that do not decide what comes out."""


def deciding(section: BaseModel | None, *, without: Collection[str] = ()) -> dict[str, Any]:
    """The settings of a section that decide the output; `without` are names that this step does not read."""
    if section is None:
        return {}
    later = section.as_before() if isinstance(section, Section) else set()
    return _kept(section.model_dump(mode="json"), UNDECIDING | set(without) | later)


def _kept(value: Any, out: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {name: _kept(each, out) for name, each in value.items() if name not in out}
    return [_kept(each, out) for each in value] if isinstance(value, list) else value
