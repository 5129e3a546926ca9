"""The sampler that a section names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factory.config.generate import GenerateSection
from factory.errors import UsageError
from factory.sampling.presets import LOCAL, open_endpoint
from factory.sampling.sampler import Sampler


def teacher(
    section: GenerateSection, seed: int, *, store: Path | None = None, keyless: bool = False
) -> Sampler:
    """The sampler that a section names.

    Args:
        section: teacher, model, endpoint, prices.
        seed: of the procedural teacher.
        store: the response store, beside which submitted batches are noted; None streams.
        keyless: open it for a look only.

    Raises:
        UsageError: unknown name, no key, no model, a cap in dollars without a price.
    """
    options: dict[str, Any] = {}
    if section.teacher == "procedural":
        options = {"slip_rate": section.slip_rate, "skip_rate": section.skip_rate, "seed": seed}
    if section.batch and store is not None:
        if section.teacher in LOCAL:
            raise UsageError(f"teacher {section.teacher} has no Batch API", do="leave --batch out")
        options["batches"] = store / "batches"
    if (keyless or not section.samples) and section.teacher not in LOCAL:
        options["keyless"] = True
    return open_endpoint(section.endpoint, section, **options)
