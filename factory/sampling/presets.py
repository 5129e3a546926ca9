"""Teachers by name: endpoint, model id, key variable, how reasoning arrives, and the dated price list.

Prices are US dollars per million tokens as the provider's own page listed them on the day given (cache miss, peak
hours: the highest that is charged); none was compared with an invoice. They decide budgets and the `usd` column only.
`--price` replaces them, also where another `--base-url` charges otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from factory.config.base import did_you_mean
from factory.config.endpoint import Budget, Endpoint
from factory.errors import UsageError
from factory.sampling.sampler import Sampler


class Continues(StrEnum):
    """How an endpoint is asked to go on with a turn."""

    NO = "no"
    FINAL_MESSAGE = "final_message"
    """vLLM and SGLang. Chat templates of reasoning models take a closed reasoning block out of the turn, so only an
    answer that was cut in its reasoning, or that has none, can be gone on with."""
    PREFIX = "prefix"
    """DeepSeek: reasoning in a field of its own, at `/beta`."""


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens, with the day of the list and where it stands."""

    prompt: float
    completion: float
    dated: str
    source: str = ""

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Price of one response."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Preset:
    """One teacher."""

    name: str
    base_url: str | None
    model: str | None
    key_env: str | None
    """Environment variable with the key; None when the endpoint needs none."""
    reasons: bool
    """A reasoning model: a job that sees no reasoning in its first answers stops."""
    prefilled: bool = False
    """The chat template ends with the opening tag, so inline text starts inside the reasoning."""
    seeds: bool = False
    """The endpoint takes `seed`."""
    samples_params: bool = True
    """The endpoint takes temperature and top_p."""
    max_tokens_field: str = "max_tokens"
    most_tokens: int | None = None
    """Longest completion that the endpoint allows."""
    prices: Prices | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request body."""
    batch_discount: float | None = None
    """Share of the price that the provider's Batch API costs."""
    continues: Continues = Continues.NO
    """How the endpoint is asked to go on with an answer that was cut."""
    otherwise: str = ""
    """What to do instead, for a user without the key."""
    note: str = ""


_DEEPSEEK_PRICES = "https://api-docs.deepseek.com/quick_start/pricing"

_FLASH = Preset(
    "deepseek-flash",
    "https://api.deepseek.com/v1",
    "deepseek-flash",
    "DEEPSEEK_API_KEY",
    reasons=True,
    most_tokens=384_000,
    prices=Prices(0.30, 1.20, "2026-11-15", _DEEPSEEK_PRICES),
    continues=Continues.PREFIX,
    extra={"thinking": {"type": "enabled"}},
    note="What DeepSeek serves under this name, thinking (not tried). Temperature is ignored; half price off-peak.",
)
_VLLM = Preset(
    "vllm",
    "http://localhost:8000/v1",
    None,
    None,
    reasons=False,
    seeds=True,
    continues=Continues.FINAL_MESSAGE,
    note="Any model on your own vLLM server; give --model.",
)
_REASONER = replace(_VLLM, reasons=True, prefilled=True)
_SWITCHED = replace(_VLLM, reasons=True, continues=Continues.NO)
"""Templates that write the opening tag (`_REASONER`); that reason on request and would begin a new turn (`_SWITCHED`)."""
_ALL = (
    Preset(
        "deepseek-r1",
        "https://openrouter.ai/api/v1",
        "deepseek/deepseek-r1",
        "OPENROUTER_API_KEY",
        reasons=True,
        prices=Prices(0.70, 2.50, "2026", "https://openrouter.ai/deepseek/deepseek-r1"),
        extra={"include_reasoning": True},
        otherwise="serve R1 yourself (--teacher deepseek-r1-local), or ask what DeepSeek itself serves now (--teacher "
        "deepseek-flash, DEEPSEEK_API_KEY)",
        note="DeepSeek-R1 (January 2025) through OpenRouter, where a stored page of 2026 lists it (not tried); the "
        "provider behind it, and so the price, differs from request to request: give --price for a strict --max-usd. "
        "DeepSeek's own API no longer has it: deepseek-reasoner was switched off on 2026-07-24 15:59 UTC "
        "(api-docs.deepseek.com/news/news260424; callers report errors since, github.com/anomalyco/opencode/issues/40577 "
        "of 2026-08-05), and had been an alias of V4 Flash since 2026-04-24.",
    ),
    _FLASH,
    replace(
        _FLASH,
        name="deepseek-v4-pro",
        model="deepseek-v4-pro",
        prices=Prices(1.32, 3.96, "2026-11-15", _DEEPSEEK_PRICES),
        note="DeepSeek-V4-Pro, thinking (not tried). Temperature is ignored; half price off-peak. From 2026-09-14 on "
        "DeepSeek's first page said that V4.1 Flash answers under this name until a V4.1 Pro is there.",
    ),
    replace(_REASONER, name="qwq", model="Qwen/QwQ-32B", note="QwQ-32B on your own vLLM or SGLang server."),
    replace(
        _SWITCHED,
        name="qwen3",
        model="Qwen/Qwen3-32B",
        extra={"chat_template_kwargs": {"enable_thinking": True}},
        note="Qwen3 in thinking mode on your own vLLM or SGLang server.",
    ),
    replace(
        _SWITCHED,
        name="gpt-oss",
        model="openai/gpt-oss-120b",
        extra={"reasoning_effort": "high"},
        note="gpt-oss on your own vLLM server.",
    ),
    replace(
        _REASONER,
        name="deepseek-r1-local",
        model="deepseek-ai/DeepSeek-R1",
        note="DeepSeek-R1 or one of its distillations on your own vLLM or SGLang server.",
    ),
    _VLLM,
    replace(
        _VLLM,
        name="sglang",
        base_url="http://localhost:30000/v1",
        note="Any model on your own SGLang server; give --model.",
    ),
    Preset(
        "openai",
        "https://api.openai.com/v1",
        None,
        "OPENAI_API_KEY",
        reasons=False,
        batch_discount=0.5,
        note="Any OpenAI-compatible endpoint; give --model, and --base-url when it is not OpenAI's own.",
    ),
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _ALL}

LOCAL = {
    "procedural": "Built-in teacher for procedural problems; slips on purpose at --slip-rate. Needs no key, no network.",
    "transformers": "A checkpoint folder (--model DIR) through transformers, on this machine.",
    "student": "The model that a run trains: by vllm-offline where vLLM and a GPU are there, else by transformers.",
    "vllm-offline": "A checkpoint (--model) through vLLM's offline engine, on this machine (extra `vllm`).",
    "replay": "Recorded responses: --model is a folder or file with responses from an earlier run.",
}
"""Samplers that are not an endpoint."""


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
    if name == "student":
        from factory.sampling.vllm_engine import VllmSampler, runs_here

        if runs_here():
            options.pop("batch_size", None)  # the engine batches by itself
            return VllmSampler(str(_folder(name, model)), name=name, **options)
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
