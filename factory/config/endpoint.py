"""A model behind an endpoint: where it is, what it costs, how fast it may be asked, and what may be spent on it.

The teacher, students, evaluated models and every judge are described by the same keys.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, PrivateAttr, model_validator

from factory.config.base import Section


class Address(Section):
    """Where a model is, and what it costs."""

    model: str | None = None
    """Model id, when it is not the preset's; a checkpoint folder for a local sampler."""
    base_url: str | None = None
    """Endpoint, when it is not the preset's. A comma-separated list spreads requests over several."""
    api_key_env: str | None = None
    """Environment variable that holds the key, when it is not the preset's. The key itself never enters a recipe."""
    price: tuple[NonNegativeFloat, NonNegativeFloat] | None = None
    """Dollars per million prompt and completion tokens, when they are not the preset's."""


class Access(Address):
    """How a model is reached and how fast it may be asked."""

    concurrency: PositiveInt | Literal["auto"] = "auto"
    """Requests in flight; `auto` adapts to the endpoint."""
    rpm: int | None = Field(None, gt=0)
    """Requests per minute, when the endpoint has such a limit."""
    input_tpm: int | None = Field(None, gt=0)
    """Prompt tokens per minute."""
    output_tpm: int | None = Field(None, gt=0)
    """Completion tokens per minute; reserved by the live 90th percentile of lengths."""


NOT_IN_KEY = frozenset(Access.model_fields) - {"model"} | {"max_usd", "max_tokens_total"}
"""Settings that do not decide an answer: where and how fast it is fetched, and what it may cost."""


class Budget(Section):
    """What may be spent. Everything that the response store books under the same job counts, also earlier runs."""

    max_usd: float | None = Field(None, gt=0)
    """Hard budget in dollars; needs a price. The worst case of what is in flight counts."""
    max_tokens_total: int | None = Field(None, gt=0)
    """Hard budget in completion tokens."""
    _account: str = PrivateAttr("")

    @property
    def account(self) -> str:
        """The name under which the response store books the costs, if a run has set one; no recipe can."""
        return self._account

    def within(self, caps: Budget, account: str) -> Self:
        """The same settings, with costs that are booked under `account` and count against its caps."""
        limits = {"max_usd": caps.max_usd, "max_tokens_total": caps.max_tokens_total}
        made = self.model_copy(update=limits)
        made._account = account
        return made


class Endpoint(Address):
    """A model by its preset, with what differs from the preset."""

    preset: str
    """Preset name; `factory teachers` lists them."""

    def identity(self) -> dict[str, Any]:
        """The settings that decide an answer, for step keys."""
        return self.model_dump(mode="json", exclude=set(NOT_IN_KEY))


class Judge(Endpoint, Budget):
    """A model that is asked about single rows. Its cap covers all judges that share a response store.

    In a run, `budget` covers teacher, student and all judges together.
    """

    for_verbs: ClassVar[frozenset[str]] = frozenset(Budget.model_fields)
    max_tokens: int = Field(4_096, ge=16)
    """Completion budget of one reply, enough for a judge that reasons first; a small cap in dollars wants fewer, as the
    worst case of each question counts."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        """A bare preset name is a judge with that preset's own settings."""
        return {"preset": value} if isinstance(value, str) else value


def gather_judge(value: Any) -> Any:
    """Read the flat keys of earlier recipes (`judge: NAME`, `judge_model`, `judge_base_url`, `judge_max_usd`).

    They become one section `judge`. Keys that are given both ways are an error.
    """
    if not isinstance(value, dict):
        return value
    flat = {
        name: value[f"judge_{name}"] for name in ("model", "base_url", "max_usd") if f"judge_{name}" in value
    }
    if not flat:
        return value
    rest = {name: each for name, each in value.items() if name not in {f"judge_{name}" for name in flat}}
    flat = {name: each for name, each in flat.items() if each is not None}
    judge = rest.get("judge")
    if judge is None:
        if flat:
            raise ValueError(f"judge_{next(iter(flat))} is given, but no judge")
        return rest
    judge = {"preset": judge} if isinstance(judge, str) else dict(judge) if isinstance(judge, dict) else judge
    if not isinstance(judge, dict):
        return {**rest, **flat}
    if twice := sorted(flat.keys() & judge.keys()):
        raise ValueError(f"judge.{twice[0]} is given twice")
    return {**rest, "judge": {**judge, **flat}}


_BUDGETS = (("generate",), ("difficulty",), ("verify", "judge"), ("datasets", "judge"), ("decontamination", "embedding", "judge"))  # fmt: skip
"""Where earlier recipes had a budget of its own for each model."""


def gather_budget(value: Any) -> Any:
    """Read the budgets of earlier recipes, one for each model, as the run's one budget: their sum.

    Raises:
        ValueError: a cap is given both ways.
    """
    if not isinstance(value, dict):
        return value
    found: dict[str, dict[str, Any]] = {}
    for path in _BUDGETS:
        for name in Budget.model_fields:
            value, cap = _taken(value, (*path, name))
            if path[-1] == "judge" and cap is None:
                value, cap = _taken(value, (*path[:-1], f"judge_{name}"))
            if cap is not None:
                found.setdefault(name, {})[".".join((*path, name))] = cap
    budget = value.get("budget") or {}
    if not isinstance(budget, dict):
        return value
    for name, caps in found.items():
        if budget.get(name) is not None:
            raise ValueError(f"{next(iter(caps))} is part of budget.{name}, which is given, too")
        for key, cap in caps.items():
            if isinstance(cap, bool) or not isinstance(cap, int | float) or not cap > 0:
                raise ValueError(f"{key} is not a positive number")
        budget = {**budget, name: sum(caps.values())}
    return {**value, "budget": budget} if found else value


def _taken(value: dict[str, Any], path: tuple[str, ...]) -> tuple[dict[str, Any], Any]:
    """Nested settings without one of them, and that one; what is null stays."""
    name, *rest = path
    inner = value.get(name)
    if not rest:
        return (
            ({key: each for key, each in value.items() if key != name}, inner)
            if inner is not None
            else (value, None)
        )
    if not isinstance(inner, dict):
        return value, None
    without, found = _taken(inner, tuple(rest))
    return ({**value, name: without}, found) if found is not None else (value, None)
