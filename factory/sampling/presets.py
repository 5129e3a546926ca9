"""Teachers by name: endpoint, model id, key variable, how reasoning arrives, and the dated price list.

Prices are US dollars per million tokens as the provider's own page listed them on the day given (cache miss, peak
hours: the highest that is charged); none was compared with an invoice. They decide budgets and the `usd` column only.
`--price` replaces them, also where another `--base-url` charges otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from factory.sampling.budget import Prices
from factory.sampling.continuation import Continues


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
    Preset(
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
    ),
    Preset(
        "deepseek-v4-pro",
        "https://api.deepseek.com/v1",
        "deepseek-v4-pro",
        "DEEPSEEK_API_KEY",
        reasons=True,
        most_tokens=384_000,
        prices=Prices(1.32, 3.96, "2026-11-15", _DEEPSEEK_PRICES),
        continues=Continues.PREFIX,
        extra={"thinking": {"type": "enabled"}},
        note="DeepSeek-V4-Pro, thinking (not tried). Temperature is ignored; half price off-peak. From 2026-09-14 on "
        "DeepSeek's first page said that V4.1 Flash answers under this name until a V4.1 Pro is there.",
    ),
    Preset(
        "qwq",
        "http://localhost:8000/v1",
        "Qwen/QwQ-32B",
        None,
        reasons=True,
        prefilled=True,
        seeds=True,
        continues=Continues.FINAL_MESSAGE,
        note="QwQ-32B on your own vLLM or SGLang server.",
    ),
    Preset(
        "qwen3",
        "http://localhost:8000/v1",
        "Qwen/Qwen3-32B",
        None,
        reasons=True,
        seeds=True,
        extra={"chat_template_kwargs": {"enable_thinking": True}},
        note="Qwen3 in thinking mode on your own vLLM or SGLang server.",
    ),
    Preset(
        "gpt-oss",
        "http://localhost:8000/v1",
        "openai/gpt-oss-120b",
        None,
        reasons=True,
        seeds=True,
        extra={"reasoning_effort": "high"},
        note="gpt-oss on your own vLLM server.",
    ),
    Preset(
        "deepseek-r1-local",
        "http://localhost:8000/v1",
        "deepseek-ai/DeepSeek-R1",
        None,
        reasons=True,
        prefilled=True,
        seeds=True,
        continues=Continues.FINAL_MESSAGE,
        note="DeepSeek-R1 or one of its distillations on your own vLLM or SGLang server.",
    ),
    Preset(
        "vllm",
        "http://localhost:8000/v1",
        None,
        None,
        reasons=False,
        seeds=True,
        continues=Continues.FINAL_MESSAGE,
        note="Any model on your own vLLM server; give --model.",
    ),
    Preset(
        "sglang",
        "http://localhost:30000/v1",
        None,
        None,
        reasons=False,
        seeds=True,
        continues=Continues.FINAL_MESSAGE,
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
    "student": "The same as transformers; the pipeline's own name for the model that it trains.",
    "vllm-offline": "A checkpoint (--model) through vLLM's offline engine, on this machine (extra `vllm`).",
    "replay": "Recorded responses: --model is a folder or file with responses from an earlier run.",
}
"""Samplers that are not an endpoint."""
