"""From a name to a sampler."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from factory.config.base import did_you_mean
from factory.config.endpoint import Budget, Endpoint
from factory.errors import UsageError
from factory.sampling.budget import Prices
from factory.sampling.presets import LOCAL, PRESETS, Preset
from factory.sampling.sampler import Sampler


def open_sampler(
    name: str,
    *,
    model: str | None = None,
    base_url: str | None = None,
    api_key_env: str | None = None,
    **options: Any,
) -> Sampler:
    """The sampler behind a name: a preset of an endpoint, or one that works on this machine.

    Args:
        name: `deepseek-r1`, `openai`, ..., `transformers`, `student`, `procedural`; `factory teachers` lists them.
        model: model id or checkpoint folder, when it is not the preset's.
        base_url: endpoint, when it is not the preset's; several, separated by commas, share the requests.
        api_key_env: environment variable that holds the key, when it is not the preset's.
        **options: what the sampler's constructor takes (`slip_rate` and `seed` for procedural, `batch_size` for
            transformers, `gap_seconds` for endpoints); options that do not apply to it are refused.

    Raises:
        UsageError: unknown name, no model, no key, or an option that does not apply.
    """
    try:
        return _open(name, model, base_url, api_key_env, options)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise UsageError(f"teacher {name} does not take that option: {error}") from error


def open_endpoint(endpoint: Endpoint, budget: Budget | None = None, **options: Any) -> Sampler:
    """The sampler that a recipe's section describes.

    Args:
        endpoint: preset, model, where it is, and its price.
        budget: what may be spent on it.
        **options: as for `open_sampler`.

    Raises:
        UsageError: as for `open_sampler`; or there is a cap in dollars and nobody knows a price.
    """
    name = endpoint.preset
    if name not in LOCAL and endpoint.price is not None:
        options["price"] = endpoint.price
    sampler = open_sampler(
        name, model=endpoint.model, base_url=endpoint.base_url, api_key_env=endpoint.api_key_env, **options
    )
    capped = budget is not None and budget.max_usd is not None
    if capped and name not in LOCAL and prices_of(sampler) is None:
        raise UsageError(
            f"a budget in dollars needs a price, and {name} has no price list",
            do="give a price (price: [IN, OUT] or --price IN,OUT, dollars per million tokens), or cap tokens with "
            "max_tokens_total (--max-tokens-total)",
        )
    return sampler


def prices_of(sampler: Sampler) -> Prices | None:
    """What a sampler's tokens cost; None when nobody knows, or nothing is charged."""
    prices: Prices | None = getattr(getattr(sampler, "preset", None), "prices", None)
    return prices


def _open(
    name: str, model: str | None, base_url: str | None, api_key_env: str | None, options: dict[str, Any]
) -> Sampler:
    check_name(name)
    if name == "procedural":
        from factory.sampling.procedural import ProceduralSampler

        return ProceduralSampler(
            slip_rate=options.pop("slip_rate", 0.25), seed=options.pop("seed", 0), **options
        )
    if name in ("transformers", "student"):
        from factory.sampling.checkpoint import CheckpointSampler

        return CheckpointSampler(_folder(name, model), name=name, **options)
    if name == "replay":
        from factory.sampling.recorded import ReplaySampler

        if not model:
            raise UsageError("replay needs recorded responses", do="give --model FOLDER")
        return ReplaySampler(Path(model), **options)
    if name == "vllm-offline":
        from factory.sampling.vllm_engine import VllmSampler

        if not model:
            raise UsageError("vllm-offline needs a checkpoint", do="give --model FOLDER_OR_ID")
        return VllmSampler(model, **options)
    return _open_endpoint(PRESETS[name], model, base_url, api_key_env, options)


def check_name(name: str) -> None:
    """Refuse a name that is neither a preset nor a local sampler.

    Raises:
        UsageError: names the closest one.
    """
    known = [*PRESETS, *LOCAL]
    if name not in known:
        near = did_you_mean(name, known)
        raise UsageError(f"no teacher called {name}", do=near or f"choose one of: {', '.join(known)}")


def _open_endpoint(
    preset: Preset, model: str | None, base_url: str | None, api_key_env: str | None, options: dict[str, Any]
) -> Sampler:
    from factory.sampling.http import HttpSampler

    chosen = model or preset.model
    if not chosen:
        raise UsageError(f"teacher {preset.name} needs a model", do="give --model")
    urls = base_url or preset.base_url
    if not urls:
        raise UsageError(f"teacher {preset.name} needs an endpoint", do="give --base-url")
    key = None if options.pop("keyless", False) else read_key(preset, base_url, api_key_env)
    price = options.pop("price", None)
    if price is not None:
        preset = replace(preset, prices=Prices(price[0], price[1], "given", "--price"))
    batches = options.pop("batches", None)
    if batches is not None:
        from factory.sampling.batch import BatchSampler

        poll = options.pop("poll_seconds", 30.0)
        return BatchSampler(
            HttpSampler(preset, chosen, urls.split(","), key), key, batches, poll_seconds=poll
        )
    return HttpSampler(preset, chosen, urls.split(","), key, **options)


def read_key(preset: Preset, base_url: str | None, api_key_env: str | None) -> str | None:
    """The key from the environment; never from a file or a flag, so it cannot reach a log.

    Raises:
        UsageError: the variable is not set. At another endpoint than the preset's own, the preset's key is used
            when it is there and not asked for when it is not.
    """
    variable = api_key_env or preset.key_env
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key and base_url and not api_key_env:
        return None
    if not key:
        raise UsageError(
            f"teacher {preset.name} needs a key, but {variable} is not set",
            do=f"export {variable}=...; or {preset.otherwise or 'try the pipeline without a key: --teacher procedural'}",
        )
    return key


def _folder(name: str, model: str | None) -> Path:
    if not model:
        raise UsageError(f"{name} needs a checkpoint", do="give --model FOLDER")
    folder = Path(model)
    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder} is not a checkpoint folder (no config.json)", do="give --model FOLDER")
    return folder
