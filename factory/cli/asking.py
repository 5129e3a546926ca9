"""Flags of the verbs that ask a teacher (`generate`, `estimate`): each is defined here once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from factory.config.endpoint import Judge
    from factory.config.generate import GenerateSection

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IN...",
        help="Problems: files, folders, globs, hf://datasets/..., procedural:all?count=N.",
    ),
]
Teacher = Annotated[str, typer.Option("--teacher", help="Preset; `factory teachers` lists them.")]
Samples = Annotated[int, typer.Option("--samples", min=1, help="Responses a problem.")]
Temperature = Annotated[float, typer.Option("--temperature", min=0.0)]
TopP = Annotated[float, typer.Option("--top-p", min=0.001, max=1.0)]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="Completion budget in tokens.")]
Prompt = Annotated[str, typer.Option("--prompt", help="Prompt with {problem} in it.")]
System = Annotated[str | None, typer.Option("--system", help="System message.")]
ProblemField = Annotated[str, typer.Option("--problem-field", help="Column with the problem.")]
AnswerField = Annotated[str, typer.Option("--answer-field", help="Column with the gold answer.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N problems.")]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", help="Endpoint(s), separated by commas; URL=2 gives a double share."),
]
Model = Annotated[str | None, typer.Option("--model", help="Model id or checkpoint folder.")]
ApiKeyEnv = Annotated[str | None, typer.Option("--api-key-env", help="Variable that holds the key.")]
Concurrency = Annotated[
    str, typer.Option("--concurrency", help="Requests in flight, of all workers together: a number, or auto.")
]
Price = Annotated[
    str | None,
    typer.Option("--price", metavar="IN,OUT", help="Dollars per million tokens, when not the preset's."),
]
MaxUsd = Annotated[
    float | None, typer.Option("--max-usd", help="Cap on what this output folder may cost, in dollars.")
]
SlipRate = Annotated[float, typer.Option("--slip-rate", min=0.0, max=1.0, help="Procedural teacher only.")]
Store = Annotated[
    Path | None, typer.Option("--store", help="Response store; default $FACTORY_STORE, else OUT/store.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of samplers that can be seeded.")]


def store_folder(store: Path | None, out: Path) -> Path:
    """Where the responses are kept."""
    return store or Path(os.environ.get("FACTORY_STORE") or out / "store")


def read_section(*, concurrency: str, price: str | None, **fields: Any) -> GenerateSection:
    """The section that the flags describe.

    Raises:
        UsageError: names the flag that cannot be used.
    """
    from pydantic import ValidationError

    from factory.config.generate import GenerateSection
    from factory.errors import UsageError

    try:
        return GenerateSection(concurrency=read_concurrency(concurrency), price=read_price(price), **fields)
    except ValidationError as error:
        first = error.errors()[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"{flag}: {first['msg']}") from None


def read_judge(preset: str | None, **fields: Any) -> Judge | None:
    """The judge that `--judge` and its companions describe.

    Raises:
        UsageError: names the flag that cannot be used.
    """
    from pydantic import ValidationError

    from factory.config.endpoint import Judge
    from factory.errors import UsageError

    given = {name: value for name, value in fields.items() if value is not None}
    if preset is None:
        if given:
            raise UsageError(
                f"--judge-{next(iter(given)).replace('_', '-')} needs --judge", do="give --judge NAME"
            )
        return None
    try:
        return Judge(preset=preset, **given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--judge-{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from None


def read_concurrency(text: str) -> int | Literal["auto"]:
    """A number of requests in flight, or auto."""
    from factory.errors import UsageError

    if text == "auto":
        return "auto"
    if not text.isdigit() or not int(text):
        raise UsageError(f"--concurrency {text}: give a number, or auto")
    return int(text)


def read_price(text: str | None) -> tuple[float, float] | None:
    """`IN,OUT` as two prices."""
    from factory.errors import UsageError

    if text is None:
        return None
    try:
        prompt, completion = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--price {text}: give two numbers, IN,OUT") from None
    return prompt, completion
