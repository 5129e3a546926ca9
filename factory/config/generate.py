"""How responses are sampled and what may be spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from factory.config.base import Section
from factory.config.endpoint import Access, Address, Budget, Endpoint
from factory.config.prompt import Messages, Prompt, is_function

Kind = Literal["math", "choice", "text", "reasoning_gym", "code"]
"""`schemas.AnswerKind`, which is too heavy to import for a flag."""


class Procedural(Section):
    """The built-in procedural teacher, which tests and demonstrations ask."""

    slip_rate: float = Field(0.25, ge=0, le=1)
    """Share of responses that slip to a wrong final answer."""
    skip_rate: float = Field(0.0, ge=0, le=1)
    """Share of steps left out of a terse trace, for students that learn which way of working comes out right."""


class OtherTeacher(Address):
    """A further teacher, and its share of the responses."""

    teacher: str
    """Preset name."""
    share: float = Field(gt=0, lt=1)
    """Share of every problem's samples that it is asked for."""


class GenerateSection(Access, Budget, Procedural):
    """Long chain-of-thought from a teacher."""

    for_verbs: ClassVar[frozenset[str]] = frozenset({*Budget.model_fields, "reuse"})
    later: ClassVar[Mapping[str, Any]] = {"prompts": {}, "others": []}
    teacher: str = "deepseek-r1"
    """Preset name; `factory teachers` lists them."""
    others: list[OtherTeacher] = Field(default_factory=list)
    """Further teachers with their shares of the samples (`teacher=qwq,share=0.25`); what they leave is the first one's."""
    samples: int = Field(8, ge=0)
    """Responses per problem (about 8 in the paper, docs/paper.md, Data); 0 requests nothing and takes those of the sources."""
    temperature: float = Field(0.6, ge=0, le=2)
    """Sampling temperature (DeepSeek-R1's own recommendation; the paper does not say)."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Nucleus sampling mass."""
    max_tokens: int = Field(32_768, ge=1)
    """Completion budget in tokens."""
    prompt: Prompt = r"Please reason step by step, and put your final answer within \boxed{{}}. {problem}"
    """Prompt: a text with `{problem}` and other fields of a row (wording of the authors' later evaluation, docs/paper.md,
    Evaluation protocol), a list of messages or a YAML file of them, or a function of your own, `myprompts.py:ask`."""
    prompts: dict[Kind, Messages] = Field(default_factory=dict)
    """Other prompts for problems of some answer kinds: `code: "{problem} Answer with the program in one ```python block."`."""
    system: str | None = None
    """System message; none by default (DeepSeek-R1's recommendation)."""
    reuse: list[str] = Field(default_factory=list)
    """Responses that are there already, as `factory import` writes them: only what is missing of `samples` is requested."""
    accept: int | None = Field(None, ge=1)
    """Stop when this many responses are verified correct."""
    max_candidates: int | None = Field(None, ge=1)
    """With `accept`: never request more responses than this."""
    batch: bool = False
    """Use the provider's Batch API: half the price, up to a day's wait."""
    serve: str | None = None
    """Start a vLLM (with teacher sglang: an SGLang) server for this model, and stop it at the end."""
    truncation: Literal["keep", "continue", "larger"] = "keep"
    """What to do with a truncated response: keep it marked, continue it (at most three times; vLLM, SGLang, DeepSeek),
    or retry with twice the token budget (at most twice)."""

    @model_validator(mode="after")
    def _caps_agree(self) -> Self:
        if self.max_candidates is not None and self.accept is None:
            raise ValueError("max_candidates limits what accept asks for: set accept, too")
        if self.accept is not None and self.max_candidates is not None and self.max_candidates < self.accept:
            raise ValueError(f"max_candidates {self.max_candidates} is below accept {self.accept}")
        if self.others and (self.accept is not None or self.batch or self.serve):
            raise ValueError(
                "several teachers work without accept, batch and serve: leave others out, or those"
            )
        if sum(each.share for each in self.others) >= 1:
            raise ValueError(
                "the shares of others leave nothing to the first teacher: their sum must be below 1"
            )
        if self.system and isinstance(self.prompt, list) and self.prompt[0]["role"] == "system":
            raise ValueError("prompt begins with a system message: leave system out")
        if self.prompts and is_function(self.prompt):
            raise ValueError(
                "a prompt that is a function decides for all kinds of answers: leave prompts out"
            )
        if self.reuse and self.accept is not None:
            raise ValueError("accept counts responses that are requested: leave reuse or accept out")
        return self

    @property
    def endpoint(self) -> Endpoint:
        """The teacher as an endpoint; a model that is served for the job is asked by its own name."""
        shared = {name: getattr(self, name) for name in Address.model_fields}
        return Endpoint(preset=self.teacher, **{**shared, "model": self.serve or self.model})
