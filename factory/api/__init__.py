"""The functions of `import factory as f`: the verbs over tables, with results that one can ask (docs/api.md)."""

from factory.api.choices import compare, ladder, pilot
from factory.api.result import Deduplication, Export, Import, Result
from factory.api.runs import Run, open_run, run_recipe
from factory.api.verbs import (
    decontaminate,
    dedup,
    difficulty,
    export,
    generate,
    import_,
    pairs,
    preview,
    select,
    verify,
)

__all__ = [
    "Deduplication",
    "Export",
    "Import",
    "Result",
    "Run",
    "compare",
    "decontaminate",
    "dedup",
    "difficulty",
    "export",
    "generate",
    "import_",
    "ladder",
    "open_run",
    "pairs",
    "pilot",
    "preview",
    "run_recipe",
    "select",
    "verify",
]
