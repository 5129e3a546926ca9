"""The functions of `import factory as f`: the verbs over tables, with results that one can ask (docs/api.md)."""

from factory.api.result import Deduplication, Export, Import, Result
from factory.api.verbs import (
    decontaminate,
    dedup,
    difficulty,
    export,
    generate,
    import_,
    open_run,
    pairs,
    preview,
    run_recipe,
    select,
    verify,
)

__all__ = [
    "Deduplication",
    "Export",
    "Import",
    "Result",
    "decontaminate",
    "dedup",
    "difficulty",
    "export",
    "generate",
    "import_",
    "open_run",
    "pairs",
    "preview",
    "run_recipe",
    "select",
    "verify",
]
