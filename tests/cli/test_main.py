"""The command line as a user meets it: quick help, one clear line for a mistake, the right exit code."""

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from factory.cli.main import MODULES, VERBS, build_app, main, spread_lists
from tests.support.cli import run_factory, start_factory

HEAVY = ("torch", "transformers", "vllm", "ray", "datasets", "trl", "polars", "pyarrow")


def test_help_lists_every_verb():
    shown = start_factory("--help").stdout
    assert all(verb in shown for verb in VERBS)


def test_help_is_quick():
    """CPU seconds: on a quiet machine the wall clock shows the same, on a loaded one it measures the load."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_factory("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.3


def test_no_verb_imports_anything_heavy():
    modules = [f"factory.cli.{MODULES.get(verb, verb)}" for verb in VERBS]
    code = f"import sys\nimport {', '.join(modules)}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_the_rooms_do_not_import_the_gpu_stack():
    code = (
        "import pkgutil, importlib, sys, factory\n"
        "for m in pkgutil.walk_packages(factory.__path__, 'factory.'):\n"
        "    if m.ispkg or '.steps.' in m.name or '.cli.' in m.name:\n"
        "        importlib.import_module(m.name)\n"
        "print([m for m in ('torch', 'transformers', 'vllm', 'ray', 'datasets', 'train') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_version():
    import factory as package

    assert start_factory("--version").stdout.strip() == package.__version__


def test_doctor_finds_this_installation_sound():
    done = start_factory("doctor", COLUMNS="200")
    assert done.returncode == 0, done.stdout
    assert "ours" in done.stdout


def test_doctor_sees_a_shadowing_factory(tmp_path):
    (tmp_path / "factory_boy-3.3.3.dist-info").mkdir()
    info = tmp_path / "factory_boy-3.3.3.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: factory_boy\nVersion: 3.3.3\n")
    (info / "top_level.txt").write_text("factory\n")
    (info / "RECORD").write_text("factory/__init__.py,,\n")
    done = start_factory("doctor", PYTHONPATH=f"{tmp_path}:{os.getcwd()}", COLUMNS="200")
    assert done.returncode == 1
    assert "factory_boy" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run", "no-such-recipe"), "no recipe no-such-recipe"),
        (("run", "quickstart", "--set", "generate.sampels=1"), "unknown key generate.sampels"),
        (("run", "quickstart", "--until", "nowhere", "--out", "x"), "no step nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(arguments, line, tmp_path):
    done = run_factory(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "spread"),
    [
        ("in --out d --against a b", "in --out d --against a --against b"),
        ("in --against a b c --out d", "in --against a --against b --against c --out d"),
        ("--against a in --out d", "--against a in --out d"),
        ("--out d in --against a b", "--out d in --against a --against b"),
        ("m --benchmark x y --samples 4", "m --benchmark x --benchmark y --samples 4"),
        ("in --against a --against b", "in --against a --against b"),
    ],
)
def test_list_options_take_several_values(words, spread):
    assert spread_lists(words.split()) == spread.split()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path):
    given, disk = tmp_path / "given", tmp_path / "disk"
    given.mkdir()
    disk.mkdir()
    for part in range(4):
        texts = "".join(
            f'{{"problem": "{random.Random(i + 9999 * part).randbytes(600).hex()}"}}\n' for i in range(900)
        )
        (given / f"part{part}.jsonl").write_text(texts)
    words = ["decontaminate", given, "--out", disk / "out", "--against", "aime24"]
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=False, capture_output=True
    ).returncode:
        pytest.skip("no right to mount")
    try:
        done = start_factory(*words)
        assert done.returncode == 3, done.stderr
        assert "disk" in done.stderr
        assert "full" in done.stderr
        assert "run the same command again" in done.stderr
        assert "details in" not in done.stderr
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        assert start_factory(*words).returncode == 0
    finally:
        subprocess.run(["umount", disk], check=True)


def test_another_distributions_factory_over_ours_is_one_line(tmp_path):
    """factory_boy installs a package `factory`, too: installed after ours it overwrites `__init__.py` and `errors.py`."""
    package = tmp_path / "factory"
    package.mkdir()
    for path in Path(os.getcwd(), "factory").iterdir():
        (package / path.name).symlink_to(path)
    for name, text in (
        ("__init__.py", "from . import errors\n"),
        ("errors.py", "class FactoryException(Exception): ...\n"),
    ):
        (package / name).unlink()
        (package / name).write_text(text)
    for words in (("--help",), ("run", "quickstart"), ("doctor",)):
        done = start_factory(*words, cwd=tmp_path, PYTHONPATH=str(tmp_path))
        assert done.returncode == 1
        assert "another distribution's" in done.stderr and "environment" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


SECTIONS = {
    "generate": ("generate", {}),
    "verify": ("verify", {}),
    "dedup": ("deduplication", {"sources": "prefer-source"}),
    "difficulty": ("difficulty", {"problems": "limit"}),
    "pairs": ("preference", {}),
    "decontaminate": ("decontamination", {}),
}


@pytest.mark.parametrize("verb", SECTIONS)
def test_every_key_of_a_section_has_a_flag_with_its_default(verb):
    from factory.config.recipe import Recipe

    section, names = SECTIONS[verb]
    page = " ".join(CliRunner().invoke(build_app(), [verb, "--help"]).output.split())
    for name, field in Recipe.model_fields[section].annotation.model_fields.items():
        flag = f"--{names.get(name, name.replace('_', '-'))}"
        assert f"{flag} " in page, flag
        default = field.get_default(call_default_factory=True)
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert f"[default: {default}]" in page


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("width", ["80", "160"])
def test_help_fits_the_terminal_and_shows_an_example(verb, width):
    page = CliRunner(env={"COLUMNS": width}).invoke(build_app(), [verb, "--help"]).output
    assert max(map(len, page.splitlines())) <= int(width), verb
    assert f"\n    factory {verb}" in page
    assert "…" not in page and "..." not in page.replace("IN...", "").replace("PATH...", "").replace(
        "...]", ""
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("verfy",), "no verb verfy - did you mean verify?"),
        (("verify", "a", "--out", "o", "--secnds", "1"), "did you mean"),
        (
            ("verify", "a", "--out", "o", "--judge", "vllm", "--judge-max-usd", "0"),
            "--judge-max-usd: input should be greater",
        ),
        (("verify", "a"), "--out is missing"),
        (("verify", "--out", "o"), "IN is missing"),
        (("decontaminate", "a", "--out", "o"), "--against is missing"),
        (
            ("decontaminate", "a", "--out", "o", "--against", "aime24", "--judge", "vllm"),
            "--embedding is missing",
        ),
        (
            ("eval", "m", "--out", "o", "--benchmark", "b", "--top-p", "0"),
            "--top-p: input should be greater than 0",
        ),
        (
            ("difficulty", "a", "--out", "o", "--student", "x", "--low", "0.9", "--high", "0.1"),
            "low 0.9 is not below high 0.1",
        ),
        (("pairs", "a", "--out", "o", "--rule", "nearest"), "--rule: input should be"),
        (
            ("generate", "a", "--out", "o", "--temperature", "9"),
            "--temperature: input should be less than or equal to 2",
        ),
        (("run",), "RECIPE is missing"),
        (("schema", "verdct"), "did you mean verdict?"),
        (("teachers", "deepseek-r"), "did you mean deepseek-r1?"),
    ],
)
def test_a_mistake_of_any_verb_is_one_line_with_the_flag_as_typed(words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["factory", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert line in said
    assert len(said.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("help",), ("help", "verify"), ("-h",), ("verify", "-h"), ("version",)])
def test_the_usual_ways_to_ask_for_help(words):
    done = run_factory(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_difficulty_pairs_and_run_share_one_prompt():
    from factory.config.datasets import DatasetsSection

    default = DatasetsSection.model_fields["prompt"].default
    for verb in ("difficulty", "pairs"):
        assert f"[default: {default}]" in " ".join(
            CliRunner().invoke(build_app(), [verb, "--help"]).output.split()
        )
