"""factory/__init__.pyi, which editors read: every function with all its settings; the docstrings stand in factory/api. `python -m tests.docs.api_stub` writes it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import factory.api
from factory.config.base import Section
from factory.config.compare import CompareSection
from factory.config.datasets import DatasetsSection
from factory.config.decontamination import DecontaminationSection
from factory.config.deduplication import DeduplicationSection
from factory.config.difficulty import DifficultySection
from factory.config.generate import GenerateSection
from factory.config.ladder import LadderSection
from factory.config.preference import PreferenceSection
from factory.config.problems import SourceSection
from factory.config.verify import VerifySection

STUB = Path(factory.api.__file__).parents[1] / "__init__.pyi"
SECTIONS: dict[str, type[Section]] = {
    "import_": SourceSection,
    "compare": CompareSection,
    "generate": GenerateSection,
    "ladder": LadderSection,
    "pilot": GenerateSection,
    "preview": GenerateSection,
    "verify": VerifySection,
    "dedup": DeduplicationSection,
    "decontaminate": DecontaminationSection,
    "difficulty": DifficultySection,
    "pairs": PreferenceSection,
    "select": DatasetsSection,
}
"""The section whose keys a function takes as keyword arguments."""
OWN = {"verify": ("checker",), "generate": ("prompt",), "preview": ("prompt",), "select": ("label", "filter")}
"""Settings that may be a function of the user's own."""
PLAIN = (int, float, str, bool)


def stub() -> str:
    """The text of the stub."""
    lines = [
        '"""Written by `python -m tests.docs.api_stub` from factory/api and the sections of the recipe."""',
        "",
        "from collections.abc import Callable, Sequence",
        "from pathlib import Path",
        "from typing import Any, Literal",
        "",
        "import polars as pl",
        "",
        "from factory.api.result import Deduplication as Deduplication",
        "from factory.api.result import Export as Export",
        "from factory.api.result import Import as Import",
        "from factory.api.result import Result as Result",
        "from factory.api.rows import Rows",
        "from factory.api.runs import Run as Run",
        "from factory.evaluation.comparison import Comparison, Worth",
        "from factory.steps.estimate import Estimate",
        "from factory.steps.pilot import Piloted",
        "",
        "__version__: str",
    ]
    for name in factory.api.__all__:
        found = getattr(factory.api, name)
        if inspect.isfunction(found):
            lines += ["", *function(name, found)]
    return "\n".join(lines) + "\n"


def function(name: str, found: Any) -> list[str]:
    """The stub of one function."""
    given = [p for p in inspect.signature(found).parameters.values() if p.kind is not p.VAR_KEYWORD]
    words = [_word(each) for each in given if each.kind is not each.KEYWORD_ONLY]
    words += ["*", *(_word(each) for each in given if each.kind is each.KEYWORD_ONLY)]
    named = {each.name for each in given} | {"path", "fields"}
    if section := SECTIONS.get(name):
        fields = section.model_fields.items()
        own = dict.fromkeys(OWN.get(name, ()), " | Callable[..., Any]")
        words += [
            f"{key}: {type_text(info.annotation)}{own.get(key, '')} = ..."
            for key, info in fields
            if key not in named
        ]
    elif len(given) < len(inspect.signature(found).parameters):
        words.append("**overrides: Any")
    if name in ("pairs", "difficulty"):
        words += ["prompt: str | Sequence[dict[str, Any]] = ...", "system: str | None = ..."]
    if words[-1] == "*":
        words.pop()
    returns = inspect.signature(found).return_annotation
    return [f"def {name}(", *(f"    {word}," for word in words), f") -> {returns}: ..."]


def _word(each: inspect.Parameter) -> str:
    default = "" if each.default is each.empty else f" = {each.default!r}"
    return f"{each.name}: {each.annotation}{default}"


def type_text(kind: Any) -> str:
    """A field's type in words that a stub can hold; what is no plain type is Any."""
    if kind in PLAIN:
        return str(kind.__name__)
    if kind is type(None) or kind is None:
        return "None"
    origin, args = get_origin(kind), get_args(kind)
    if str(origin) == "typing.Literal":
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin is Annotated:
        return type_text(args[0])
    if origin is not None and ("Union" in str(origin)):
        return " | ".join(dict.fromkeys(type_text(each) for each in args))
    if origin in (list, tuple):
        return f"Sequence[{type_text(args[0])}]" if args else "Sequence[Any]"
    return "dict[str, Any]" if origin is dict else "Any"


if __name__ == "__main__":
    STUB.write_text(stub(), "utf-8")
