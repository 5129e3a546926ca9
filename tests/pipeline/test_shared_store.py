"""One response store for several runs: a renamed run buys nothing again."""

import pytest

from factory.run.layout import RunLayout
from factory.run.parts import read_parts
from tests.support.cli import run_factory

RECIPE = """
name: {name}
problems:
  sources: ["procedural:linear_equation?count=30&seed=3&style=terse"]
generate: {{teacher: vllm, model: m, base_url: "{url}", samples: 2, max_tokens: 64}}
train: null
"""


@pytest.fixture
def server(monkeypatch, serve):
    monkeypatch.delenv("FACTORY_STORE", raising=False)
    return serve()


def asked(server):
    return server.get("stats")["asked"]


def generate(server, folder, name, *more, **environment):
    recipe = folder / f"{name}.yaml"
    recipe.write_text(RECIPE.format(name=name, url=server.url))
    done = run_factory("run", recipe, "--out", folder / name, "--until", "generate", *more, **environment)
    assert done.returncode == 0, done.stderr
    return read_parts(RunLayout(folder / name).responses)


def test_a_renamed_run_buys_nothing_again(server, tmp_path):
    shared = tmp_path / "bought"
    first = generate(server, tmp_path, "one", "--store", str(shared))
    assert first.height == 2 * first["problem_id"].n_unique() > 0
    before = asked(server)
    assert before == first.height
    assert not (tmp_path / "one" / "store").exists()
    second = generate(server, tmp_path, "two", FACTORY_STORE=str(shared))
    assert asked(server) == before
    assert second.equals(first)
    own = generate(server, tmp_path, "three")
    assert asked(server) == 2 * before, "a run with a store of its own knows nothing of the other"
    assert own.equals(first)
    assert (tmp_path / "three" / "store").is_dir()
