"""Entry point: finds the verb's module, turns errors into one line and an exit code.

Only the module of the verb that was asked for is imported, so `factory --help` and every verb start quickly.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
import traceback
from pathlib import Path

import typer

from factory.errors import FactoryError, Stopped, first_line, is_disk_full

VERBS = (
    "run",
    "generate",
    "verify",
    "dedup",
    "decontaminate",
    "difficulty",
    "pairs",
    "eval",
    "estimate",
    "report",
    "view",
    "status",
    "why",
    "card",
    "publish",
    "benchmarks",
    "teachers",
    "doctor",
    "schema",
)
"""Every verb is a module `factory/cli/VERB.py` with a function `command` (`eval` lives in `evaluate.py`)."""

MODULES = {"eval": "evaluate"}

INTERRUPTED = 130
"""What typer exits with on Ctrl-C; ours is 3, resumable."""

LISTS = ("--against", "--benchmark")
"""Options that take several values in a row: `--against A B C`."""


def build_app(verbs: tuple[str, ...] = VERBS) -> typer.Typer:
    """The command line application with the given verbs."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Chain-of-thought dataset factory: generate, verify, dedup, decontaminate, publish, train.",
    )

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help="Print the version and exit."),
    ) -> None:
        if version:
            import factory

            typer.echo(factory.__version__)
            raise typer.Exit

    for verb in verbs:
        name = f"factory.cli.{MODULES.get(verb, verb)}"
        if importlib.util.find_spec(name) is None:
            continue
        app.command(verb)(importlib.import_module(name).command)
    return app


def spread_lists(words: list[str]) -> list[str]:
    """Turn `IN --against A B` into `IN --against A --against B`, which is what the parser understands.

    Only after a first positional word, so that `--against A IN` keeps its meaning.
    """
    spread: list[str] = []
    option, positional, previous = "", False, ""
    for word in words:
        if word.startswith("-"):
            option = word if word in LISTS and positional else ""
        elif option and previous != option:
            spread.append(option)
        elif not previous.startswith("-"):
            positional = True
        spread.append(word)
        previous = word
    return spread


def main() -> None:
    """Run the command line; exits with 0, 1 (failed), 2 (wrong usage) or 3 (stopped, resumable)."""
    # Idle OpenMP threads otherwise spin: on a machine with other work a small model then runs five times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The Hub's client reports home by default; neither we nor the trainer that we start do.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    try:
        build_app((asked,) if asked in VERBS else VERBS)(args=_arguments())
    except FactoryError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _stopped()
    except SystemExit as ending:
        if ending.code == INTERRUPTED:
            _stopped()
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("FACTORY_DEBUG"):
            raise
        if is_disk_full(error):
            _say(f"the disk is full - free some space and run the same command again ({first_line(error)})")
            sys.exit(Stopped.exit_code)
        path = Path(tempfile.gettempdir()) / f"factory-error-{os.getpid()}.txt"
        path.write_text(traceback.format_exc(), "utf-8")
        _say(
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'} - details in {path}"
        )
        sys.exit(1)


def _stopped() -> None:
    _say("stopped - run the same command again to go on")
    sys.exit(Stopped.exit_code)


def _arguments() -> list[str]:
    verb, *rest = sys.argv[1:] or [""]
    return [verb, *spread_lists(rest)] if verb in VERBS else sys.argv[1:]


def _say(line: str) -> None:
    typer.echo(f"factory: {line}", err=True)


if __name__ == "__main__":
    main()
