"""The verbs card, publish and schema as a user runs them: exit codes, one clear line, what is printed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hub_server import HubServer

from factory.decontamination.load import shipped
from factory.run.layout import RunLayout
from schemas import TABLES
from tests.support.cli import run_factory, start_factory

TOKEN = "hf_" + "w" * 34


def factory(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {"COLUMNS": "200", "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"} | environment
    return start_factory(*arguments, **settings)  # the Hub's client reads them when it is imported


def test_card_is_written_checked_and_noticed_when_wrong(run: Path) -> None:
    done = run_factory("card", run)
    assert (done.returncode, done.stderr) == (0, "")
    assert run_factory("card", run, "--check").returncode == 0
    card = run / "README.md"
    card.write_text(card.read_text().replace("| 0.25 |", "| 0.26 |"))
    wrong = run_factory("card", run, "--check")
    assert wrong.returncode == 1
    assert wrong.stderr.count("\n") == 1
    assert "0.26" in wrong.stderr and "factory card" in wrong.stderr


def test_card_of_no_run_is_wrong_usage(tmp_path: Path) -> None:
    done = run_factory("card", tmp_path)
    assert done.returncode == 2
    assert "holds no recipe.yaml" in done.stderr


def test_publish_looks_sends_and_does_nothing_the_second_time(run: Path) -> None:
    pytest.importorskip("huggingface_hub")
    if not shipped():
        pytest.skip("this installation has no benchmark index, and nothing is published without one")
    with HubServer(TOKEN) as hub:
        env = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
        look = factory("publish", "me/farm", "--run", run, "--dry-run", **env)
        assert look.returncode == 0, look.stderr
        assert "sft/train-00000-of-00001.parquet" in look.stdout
        assert (
            f"{RunLayout(run).dataset('sft').joinpath('train-00000-of-00001.parquet').stat().st_size:,}"
            in look.stdout
        )
        assert "nothing was sent" in look.stdout
        assert hub.repos == {}
        sent = factory("publish", "me/farm", "--run", run, "--revision", "v1", "--private", **env)
        assert sent.returncode == 0, sent.stderr
        assert "11 files" in sent.stdout
        assert hub.repos["me/farm"].private
        assert set(hub.repos["me/farm"].tags) == {"v1"}
        again = factory("publish", "me/farm", "--run", run, "--revision", "v1", **env)
        assert again.returncode == 0, again.stderr
        assert "nothing had changed" in again.stdout
        assert len(hub.repos["me/farm"].commits) == 2
        for output in (look, sent, again):
            assert TOKEN not in output.stdout + output.stderr


def test_dry_run_without_a_hub_still_lists_the_files(run: Path) -> None:
    pytest.importorskip("huggingface_hub")
    if not shipped():
        pytest.skip("this installation has no benchmark index, and nothing is published without one")
    done = factory("publish", "me/farm", "--run", run, "--dry-run", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert "rl/train-00000-of-00001.parquet" in done.stdout
    assert "not compared with me/farm (the Hub's client is in offline mode" in done.stdout


def test_dry_run_without_a_net_says_so_and_speaks_of_no_upload(run: Path) -> None:
    pytest.importorskip("huggingface_hub")
    if not shipped():
        pytest.skip("this installation has no benchmark index, and nothing is published without one")
    done = factory("publish", "me/farm", "--run", run, "--dry-run", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "offline: not compared with me/farm (the connection to the Hub" in done.stdout
    assert "its card not validated" in done.stdout
    assert not re.search(r"\b(upload|again)\b", done.stdout)


def test_publish_refuses_before_it_connects(run: Path) -> None:
    pytest.importorskip("huggingface_hub")
    shard = RunLayout(run).dataset("sft") / "train-00000-of-00001.parquet"
    shard.write_bytes(shard.read_bytes()[:-9])
    with HubServer(TOKEN) as hub:
        done = factory("publish", "me/farm", "--run", run, HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
        assert hub.log == []
    assert done.returncode == 1
    assert "train-00000-of-00001.parquet is corrupt" in done.stderr
    assert done.stderr.count("\n") == 1


def test_publish_without_a_benchmark_index_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from factory.errors import FactoryError
    from factory.publishing.gate import check_files
    from factory.publishing.release import build_release

    monkeypatch.setattr("factory.decontamination.load.shipped", dict)
    with pytest.raises(FactoryError, match="no benchmark index is installed, so nothing can be published"):
        check_files(build_release(run).paths)


def test_schema_prints_every_table() -> None:
    names = run_factory("schema").stdout
    for name, table in TABLES.items():
        assert name in names
        described = json.loads(run_factory("schema", name, "--json").stdout) if name == "rl_prompt" else None
        if described:
            assert [c["name"] for c in described["columns"]] == table.names
            assert all(c["doc"] for c in described["columns"])


def test_schema_recipe_documents_every_key() -> None:
    shown = run_factory("schema", "recipe").stdout
    for key in ("problems.sources", "budget.max_usd", "verify.seconds", "train.student.model"):
        assert key in shown
    definition = json.loads(run_factory("schema", "recipe", "--json").stdout)
    assert (
        definition["properties"]["seed"]["description"] == "Every random choice of the run derives from it."
    )


def test_unknown_table_is_wrong_usage() -> None:
    done = run_factory("schema", "nothing")
    assert done.returncode == 2
    assert "choose one of: problem, response" in done.stderr
