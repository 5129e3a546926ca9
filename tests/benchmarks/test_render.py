"""Every page shows what the kept figures say, and wrong marks or results are refused."""

import ast
import importlib
import json
from pathlib import Path

import pytest

from benchmarks import render, result, run

ROOT = Path(__file__).parents[2]


def test_every_page_is_what_its_figures_make_it():
    assert render.differences() == {}, "run python -m benchmarks.render"


def test_a_changed_figure_is_noticed(tmp_path, monkeypatch):
    for path in result.RESULTS.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changed = json.loads((tmp_path / "pairs.json").read_text())
    changed["figures"]["rules"][0]["pairs"] += 1
    (tmp_path / "pairs.json").write_text(json.dumps(changed))
    for module in (render, result):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    (path,) = render.differences()
    assert path.name == "difficulty.md"


def test_every_result_says_where_it_comes_from():
    for path in result.RESULTS.glob("*.json"):
        kept = result.load(path.stem)
        assert kept.commit_from and kept.command, path.name
        assert kept.commit is None or len(kept.commit.rstrip("+")) == 7


PAGE = "before\n<!-- measured: a -->\nold\n<!-- end: a -->\nafter\n"


def test_a_block_is_replaced_and_the_rest_stays():
    page = render.fill(PAGE, {"a": "new\n"}, "page.md")
    assert page == "before\n<!-- measured: a -->\nnew\n<!-- end: a -->\nafter\n"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (PAGE.replace("measured: a", "measured: b"), "not a pair"),
        (PAGE.replace("<!-- end: a -->\n", ""), "not a pair"),
        (PAGE.replace("<!-- measured: a -->\n", ""), "not a pair"),
        (PAGE.replace(": a", ": other"), "no benchmark writes the block other"),
    ],
)
def test_wrong_marks_are_refused(page, said):
    with pytest.raises(ValueError, match=said):
        render.fill(page, {"a": "new\n"}, "page.md")


def test_a_block_without_a_page_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    with pytest.raises(ValueError, match=r"no page has marks for .*dedup"):
        render.rendered([page])


@pytest.mark.parametrize("text", ["[]", "{}", '{"figures": 1}', "{", '{"name": "b", "nonsense": 1}'])
def test_a_file_that_is_no_result_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setattr(result, "RESULTS", tmp_path)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json"):
        result.load("a")


def test_a_measurement_is_kept_with_commit_date_processor_and_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(result, "RESULTS", tmp_path)
    module = importlib.import_module("benchmarks.pairs")
    monkeypatch.setattr(module, "measure", lambda args: {"words": args})
    assert run.main(["pairs", "--some", "words"]) == 0
    kept = result.load("pairs")
    assert kept.figures == {"words": ["--some", "words"]}
    assert kept.command == "python -m benchmarks.run pairs --some words"
    assert kept.date and kept.cores and kept.versions["python"]
    assert kept.commit is None or kept.commit in kept.stamp()
    (tmp_path / "pairs.json").unlink()
    assert run.main(["pairs", "--print", "x"]) == 0
    assert not list(tmp_path.iterdir()) and '"x"' in capsys.readouterr().out


def test_run_lists_benchmarks_and_refuses_others(capsys):
    assert run.main([]) == 0
    listed = capsys.readouterr().out
    assert all(path.stem in listed for path in result.RESULTS.glob("*.json"))
    assert run.main(["chaos"]) == 2


def defined(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            names |= {(alias.asname or alias.name) for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {
                name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
            }
        elif isinstance(node, ast.AnnAssign | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.target.id if isinstance(node, ast.AnnAssign) else node.name)
    return names | {path.stem for path in path.parent.glob("*.py") if path.name == "__init__.py"}


def missing(name: str, wanted: str) -> bool:
    """Whether a module of the repository lacks a name, by its text."""
    base = ROOT.joinpath(*name.split("."))
    if (base / f"{wanted}.py").exists() or (base / wanted / "__init__.py").exists():
        return False
    path = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
    return not path.exists() or (wanted not in defined(path) and f'"{wanted}"' not in path.read_text("utf-8"))


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_exists(path):
    """Imports lie inside functions, so nothing but this notices a renamed module."""
    lost = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        and node.module.split(".")[0] in {"factory", "schemas", "train", "benchmarks", "tests"}
        for alias in node.names
        if missing(node.module, alias.name)
    ]  # fmt: skip
    assert lost == []
