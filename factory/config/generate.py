"""How responses are asked for and what may be spent."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from factory.config.base import Section


def _has_slot(prompt: str) -> str:
    if "{problem}" not in prompt:
        raise ValueError("there is no {problem} in it: put it where the problem's text goes")
    return prompt


Prompt = Annotated[str, AfterValidator(_has_slot)]
"""A user message; `{problem}` is replaced by the problem's text."""
Price = Annotated[float, Field(ge=0)]


class GenerateSection(Section):
    """Long chain-of-thought from a teacher."""

    teacher: str = "deepseek-r1"
    """Preset name; `factory teachers` lists them."""
    samples: int = Field(8, ge=1)
    """Responses per problem (about 8 in the paper, docs/paper.md, Data)."""
    temperature: float = Field(0.6, ge=0, le=2)
    """Sampling temperature (DeepSeek-R1's own recommendation; the paper does not say)."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Nucleus mass."""
    max_tokens: int = Field(32_768, ge=1)
    """Completion budget in tokens."""
    prompt: Prompt = r"Please reason step by step, and put your final answer within \boxed{{}}. {problem}"
    """Prompt; `{problem}` is replaced (wording of the authors' later evaluation, docs/paper.md, Evaluation protocol)."""
    system: str | None = None
    """System message; none by default (DeepSeek-R1's recommendation)."""
    base_url: str | None = None
    """Endpoint, when it is not the preset's. A comma-separated list spreads requests over several."""
    model: str | None = None
    """Model id, when it is not the preset's."""
    api_key_env: str | None = None
    """Environment variable that holds the key, when it is not the preset's. The key itself never enters a recipe."""
    concurrency: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Requests in flight; `auto` adapts to the endpoint."""
    rpm: int | None = Field(None, gt=0)
    """Requests a minute, when the endpoint has such a limit."""
    input_tpm: int | None = Field(None, gt=0)
    """Prompt tokens a minute."""
    output_tpm: int | None = Field(None, gt=0)
    """Completion tokens a minute; reserved by the live 90th percentile of lengths."""
    price: tuple[Price, Price] | None = None
    """Dollars per million prompt and completion tokens, when they are not the preset's."""
    max_usd: float | None = Field(None, gt=0)
    """Hard budget in dollars; the worst case of what is in flight counts."""
    max_tokens_total: int | None = Field(None, gt=0)
    """Hard budget in completion tokens."""
    accept: int | None = Field(None, ge=1)
    """Stop when this many responses are verified correct."""
    max_candidates: int | None = Field(None, ge=1)
    """With `accept`: never ask for more responses than this."""
    batch: bool = False
    """Use the provider's Batch API: up to a day's wait, half the price."""
    serve: str | None = None
    """Start a vLLM (or, with teacher sglang, an SGLang) server for this model, and stop it at the end."""
    truncation: Literal["keep", "continue", "larger"] = "keep"
    """What to do with a cut response: keep it marked, go on with it (three times at most; vLLM, SGLang, DeepSeek), or
    ask anew with twice the budget (twice at most)."""
    slip_rate: float = Field(0.25, ge=0, le=1)
    """Procedural teacher only: share of responses that slip to a wrong final answer."""
    skip_rate: float = Field(0.0, ge=0, le=1)
    """Procedural teacher only: share of steps that it does in its head and leaves out of a terse trace."""

    @model_validator(mode="after")
    def _caps_agree(self) -> Self:
        if self.max_candidates is not None and self.accept is None:
            raise ValueError("max_candidates limits what accept asks for: set accept, too")
        if self.accept is not None and self.max_candidates is not None and self.max_candidates < self.accept:
            raise ValueError(f"max_candidates {self.max_candidates} is below accept {self.accept}")
        return self
