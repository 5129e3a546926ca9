"""The sampler that a section names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factory.config.generate import GenerateSection
from factory.errors import UsageError
from factory.sampling.opening import open_sampler
from factory.sampling.presets import LOCAL
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
        UsageError: unknown name, no key, no model.
    """
    options: dict[str, Any] = {}
    if section.teacher == "procedural":
        options = {"slip_rate": section.slip_rate, "skip_rate": section.skip_rate, "seed": seed}
    elif section.teacher not in LOCAL and section.price is not None:
        options = {"price": section.price}
    if section.batch and store is not None:
        if section.teacher in LOCAL:
            raise UsageError(f"teacher {section.teacher} has no Batch API", do="leave --batch out")
        options["batches"] = store / "batches"
    if keyless and section.teacher not in LOCAL:
        options["keyless"] = True
    sampler = open_sampler(
        section.teacher,
        model=section.serve or section.model,
        base_url=section.base_url,
        api_key_env=section.api_key_env,
        **options,
    )
    if section.max_usd is not None and section.teacher not in LOCAL and _prices(sampler) is None:
        raise UsageError(
            f"--max-usd needs prices, and teacher {section.teacher} has no price list",
            do="give --price IN,OUT in dollars per million tokens, or cap tokens with --max-tokens-total",
        )
    return sampler


def _prices(sampler: Sampler) -> object:
    return getattr(getattr(sampler, "preset", None), "prices", None)
