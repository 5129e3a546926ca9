"""Entry point: finds the verb's module, turns errors into one line and an exit code.

Only the module of the verb that was asked for is imported, so `factory --help` and every verb start quickly.
"""

from __future__ import annotations

import ast
import errno
import importlib
import os
import re
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

try:
    from factory.errors import FactoryError, Stopped, first_line, is_disk_full
    from factory.signals import terminated
except ImportError:
    # factory_boy installs a package `factory`, too; whichever was installed last has overwritten the other's files.
    sys.exit(
        f"factory: {sys.modules['factory'].__file__} is another distribution's (factory_boy's?) - both install a package "
        "called factory: keep them in two environments, ours with `pipx install cot-factory` or in a venv of its own"
    )

GROUPS = {
    "A whole run": ("init", "run", "train", "compare", "ladder", "status", "store", "why", "report", "view"),
    "Single steps": (
        "import",
        "generate",
        "estimate",
        "verify",
        "dedup",
        "decontaminate",
        "difficulty",
        "pairs",
        "select",
        "eval",
    ),
    "Release": ("card", "papers", "export", "publish"),
    "Look things up": ("teachers", "pilot", "benchmarks", "schema", "doctor"),
}
VERBS = tuple(verb for verbs in GROUPS.values() for verb in verbs)
"""Every verb is a module `factory/cli/VERB.py` with a function `command` (see `MODULES`)."""

MODULES = {"eval": "evaluate", "import": "imports"}

ENDLESS = ("view", "train")
"""Verbs that serve pages, or hand the terminal to another program: they end with no facts of their own."""

LISTS = ("--against", "--benchmark")
"""Options that take several values in a row: `--against A B C`."""


UNUSABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EROFS,
)
"""What the system says of a path that the user named and nobody can read or write."""


class Factory(click.Group):
    """The verbs; a verb's module is imported when it is asked for."""

    def __init__(self, verbs: tuple[str, ...]) -> None:
        """Offer `verbs`."""
        super().__init__(
            "factory",
            help="Chain-of-thought dataset factory: generate, verify, deduplicate, decontaminate, publish, train.",
            epilog="Try: factory run quickstart. Help on a verb: factory VERB --help.",
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
            params=[
                click.Option(
                    ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version
                )
            ],
        )
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command line of a verb."""
        if cmd_name not in self.verbs:
            return None
        from factory.cli.flags import build_command

        module = importlib.import_module(f"factory.cli.{MODULES.get(cmd_name, cmd_name)}")
        return build_command(cmd_name, module.command, ends=cmd_name not in ENDLESS)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The verb; an unknown one is answered with the closest."""
        if args[0] not in self.verbs and not args[0].startswith("-"):
            from factory.config.base import did_you_mean

            near = did_you_mean(args[0], self.verbs)
            raise click.UsageError(f"no verb {args[0]} - {near or 'factory --help lists them'}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each verb with the first line of its module, which is read and not imported."""
        for title, verbs in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(verb, _summary(verb)) for verb in verbs if verb in self.verbs])


def build_app(verbs: tuple[str, ...] = VERBS) -> click.Group:
    """The command line application with the given verbs."""
    return Factory(verbs)


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
    _open_standard_files()
    # Idle OpenMP threads otherwise spin: on a machine with other work a small model then runs five times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The Hub's client reports home by default; neither we nor the trainer that we start do.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        with terminated():
            sys.exit(
                build_app().main(args=_arguments(sys.argv[1:]), prog_name="factory", standalone_mode=False)
            )
    except FactoryError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _say(_usage(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would only spoil the end
        _say("stopped - run the same command again to resume")
        sys.exit(Stopped.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("FACTORY_DEBUG"):
            raise
        if isinstance(error, ModuleNotFoundError) and (extra := _extra_of(error.name or "")):
            _say(f"this needs {error.name}, which is not installed - pip install 'cot-factory[{extra}]'")
            sys.exit(2)
        if is_disk_full(error):
            _say(f"the disk is full - free some space and run the same command again ({first_line(error)})")
            sys.exit(Stopped.exit_code)
        if isinstance(error, OSError) and error.errno in UNUSABLE:
            _say(
                f"cannot use {str(error.filename)[:200]}: {error.strerror} - choose another path, or change it"
            )
            sys.exit(2)
        from factory.leftovers import temporary

        path = temporary("error", ".txt", keep_seconds=86_400)
        path.write_text(traceback.format_exc(), "utf-8")
        what = str(error).splitlines()[0] if str(error) else "no message"
        _say(f"{type(error).__name__}: {what} - details in {path}")
        sys.exit(1)


def _arguments(words: list[str]) -> list[str]:
    """The words that the parser understands: `help VERB` is `VERB --help`, `version` is `--version`."""
    verb, *rest = words or ["--help"]
    if verb == "help":
        return [*rest[:1], "--help"]
    if verb == "version":
        return ["--version"]
    if [verb, *rest[:1]] == ["teachers", "pilot"]:
        return _arguments(rest)
    return [verb, *spread_lists(rest)] if verb in VERBS else [verb, *rest]


def _usage(error: click.ClickException) -> str:
    """What the parser says, in one line that names the page with the right spelling."""
    said = error.format_message().replace("\n", " ").replace(". Did you mean", " - did you mean")
    said = said[:1].lower() + said[1:].rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{said} - {context.command_path} --help" if context is not None and " - " not in said else said


def _summary(verb: str) -> str:
    path = Path(__file__).with_name(f"{MODULES.get(verb, verb)}.py")
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    text = doc.splitlines()[0].partition(": ")[2].rstrip(".")
    return text[:1].upper() + text[1:]


def _extra_of(module: str) -> str | None:
    """The extra of pyproject.toml that brings a module."""
    from importlib.metadata import PackageNotFoundError, requires

    name = module.split(".")[0].replace("_", "-").lower()
    try:
        lines = requires("cot-factory") or []
    except PackageNotFoundError:
        return None
    found = re.search(
        rf"^{re.escape(name)}\b[^;]*;.*extra == ['\"]([\w-]+)['\"]", "\n".join(lines), re.M | re.I
    )
    return found[1] if found else None


def _version(context: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        import factory

        click.echo(factory.__version__)
        context.exit()


def _say(lines: str) -> None:
    """Each mistake on a line of its own. Words of servers and files may be in it: none steers the terminal."""
    from factory.redaction import printable

    with suppress(OSError):  # the exit code still says it
        for line in lines.split("\n"):
            click.echo(f"factory: {printable(line)}", err=True)


def _open_standard_files() -> None:
    """Open to nowhere what was closed (`2>&-`): else a job's first file gets its number, and messages are written into it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
