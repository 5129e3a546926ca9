"""Flags come from the sections: names, defaults, bounds and help; mistakes are named by the flag as typed."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from click.testing import CliRunner
from pydantic import Field, model_validator

from factory.cli.flags import Flag, Use, build_command
from factory.config.base import Section
from factory.errors import UsageError


class Access(Section):
    """How a model is reached. And more."""

    base_url: str | None = None
    """Endpoint."""
    price: tuple[float, float] | None = None
    """Dollars per million tokens."""


class Judge(Access):
    """A model that is asked."""

    preset: str
    """Preset name."""
    max_usd: float | None = Field(None, gt=0)
    """Cap in dollars."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value):
        return {"preset": value} if isinstance(value, str) else value


class Settings(Access):
    """What is done to rows."""

    samples: int = Field(8, ge=1)
    """Responses per problem."""
    share: float = Field(0.5, gt=0, le=1)
    """A share."""
    fast: bool = False
    """Be quick."""
    careful: bool = True
    """Be careful."""
    rule: Literal["nearest_length", "random"] = "nearest_length"
    """How."""
    in_flight: int | Literal["auto"] = "auto"
    """Requests in flight."""
    names: list[str] = Field(default_factory=list)
    """Names."""
    judge: Judge | None = None
    """Who judges."""

    @model_validator(mode="after")
    def _agree(self):
        if self.fast and self.samples > 100:
            raise ValueError(f"fast and samples {self.samples} do not go together")
        return self


def invoke(*words, use=None):
    seen = {}

    def command(
        inputs: Annotated[list[str], Flag("Files.", words=True, metavar="IN...")],
        out: Annotated[Path, Flag("Folder.")],
        settings: Annotated[Settings, use or Use()],
        seed: Annotated[int, Field(ge=0), Flag("Seed.")] = 0,
        quiet: Annotated[bool, Flag("Say nothing.")] = False,
    ) -> None:
        """Do it.

        factory do a.jsonl --out b
        """
        seen.update(inputs=inputs, out=out, settings=settings, seed=seed, quiet=quiet)

    result = CliRunner().invoke(build_command("do", command), [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return seen or result.output


def test_defaults_are_the_sections():
    seen = invoke("a", "--out", "b")
    assert seen["settings"] == Settings()
    assert (seen["inputs"], seen["out"], seen["seed"], seen["quiet"]) == (["a"], Path("b"), 0, False)
    assert seen["settings"].model_fields_set == set()


def test_every_kind_of_value_is_read():
    words = (
        "a b --out o --samples 3 --share 0.25 --fast --no-careful --rule random --in-flight 7 --price 1,2.5"
    )
    seen = invoke(*words.split(), "--names", "x", "--names", "y", "--seed", "4", "--quiet")
    expected = Settings(
        samples=3,
        share=0.25,
        fast=True,
        careful=False,
        rule="random",
        in_flight=7,
        price=(1, 2.5),
        names=["x", "y"],
    )
    assert seen["settings"] == expected
    assert (seen["inputs"], seen["seed"], seen["quiet"]) == (["a", "b"], 4, True)


def test_a_section_in_a_section_has_its_name_before_its_flags():
    assert invoke("a", "--out", "o", "--judge", "openai")["settings"].judge == Judge(preset="openai")
    words = [
        "--judge",
        "openai",
        "--judge-base-url",
        "http://h",
        "--judge-max-usd",
        "2",
        "--judge-price",
        "1,2",
    ]
    judge = invoke("a", "--out", "o", *words)["settings"].judge
    assert judge == Judge(preset="openai", base_url="http://h", max_usd=2, price=(1, 2))


def test_a_verb_may_take_some_fields_and_rename_them():
    use = Use(
        skip=("fast", "judge.base_url"),
        names={"samples": "count n", "careful": "careful/hasty", "judge": "umpire"},
    )
    assert invoke("a", "--out", "o", "--count", "3", use=use)["settings"].samples == 3
    assert invoke("a", "--out", "o", "--n", "3", use=use)["settings"].samples == 3
    assert invoke("a", "--out", "o", "--hasty", use=use)["settings"].careful is False
    assert (
        invoke("a", "--out", "o", "--umpire", "x", "--umpire-max-usd", 1, use=use)["settings"].judge.max_usd
        == 1
    )
    page = invoke("--help", use=use)
    assert "--count" in page and "--hasty" in page
    assert "--fast" not in page and "-base-url" not in page.replace("--base-url", "")
    assert "--n " not in page
    only = invoke("--help", use=Use(only=("samples",)))
    assert "--samples" in only and "--rule" not in only and "--judge" not in only


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("a --out o --samples 0", "--samples: input should be greater than or equal to 1, not '0'"),
        ("a --out o --samples many", "--samples: input should be a valid integer, not 'many'"),
        ("a --out o --share 2", "--share: input should be less than or equal to 1"),
        ("a --out o --share nan", "--share: input should be"),
        ("a --out o --rule neerest_length", "did you mean nearest_length?"),
        ("a --out o --price 1", "--price: too few values"),
        ("a --out o --price a,b", "--price: input should be a valid number"),
        ("a --out o --in-flight many", "--in-flight: input should be a valid integer or 'auto', not 'many'"),
        ("a --out o --judge-max-usd 3", "--judge is missing"),
        ("a --out o --judge x --judge-max-usd 0", "--judge-max-usd: input should be greater than 0"),
        ("a --out o --seed -1", "--seed: input should be greater than or equal to 0"),
        ("a --out o --fast --samples 101", "fast and samples 101 do not go together"),
        ("a", "--out is missing"),
        ("--out o", "IN is missing"),
    ],
)
def test_a_mistake_is_one_line_with_the_flag_as_typed(words, line):
    with pytest.raises(UsageError) as refused:
        invoke(*words.split())
    assert line in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_an_earlier_name_is_blamed_as_it_was_typed():
    with pytest.raises(UsageError, match=r"^--n: "):
        invoke("a", "--out", "o", "--n", "0", use=Use(names={"samples": "count n"}))


def test_all_mistakes_are_named_at_once():
    with pytest.raises(UsageError) as refused:
        invoke("a", "--samples", "0", "--share", "7", "--seed", "x")
    assert [line.split()[0].rstrip(":") for line in str(refused.value).splitlines()] == [
        "--samples",
        "--share",
        "--out",
        "--seed",
    ]


@pytest.mark.parametrize("width", ["80", "160"])
def test_help_fits_the_terminal(width):
    result = CliRunner(env={"COLUMNS": width}).invoke(
        build_command("do", command_with_everything), ["--help"]
    )
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= int(width)
    assert "[default: 8]" in result.output
    assert "[required]" in result.output
    assert "  factory do a.jsonl --out b" in result.output
    assert "How a model is reached:" in result.output
    assert "With --judge:" in result.output


def command_with_everything(out: Annotated[Path, Flag("Folder.")], settings: Settings) -> None:
    """Do it.

    factory do a.jsonl --out b
    """


def test_a_new_key_is_a_flag_without_another_line():
    class Longer(Settings):
        """What is done to rows."""

        patience: int = Field(3, ge=1)
        """How long to wait."""

    def command(settings: Annotated[Longer, Use(only=("patience",))]) -> None:
        """Do it."""

    globals()["Longer"] = Longer
    page = CliRunner().invoke(build_command("do", command), ["--help"]).output
    assert "--patience N" in page and "How long to wait. [default: 3]" in page
