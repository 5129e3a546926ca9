"""`hf://` for every verb: fetched once into a file, then read as any other."""

import polars as pl
import pytest

from factory.config.deduplication import DeduplicationSection
from factory.errors import UsageError
from factory.run.parts import read_parts
from factory.sources import hub
from factory.sources.files import read_rows
from factory.sources.paths import expand
from factory.steps import deduplicate

SPEC = "hf://datasets/owner/name?split=train"
ROWS = pl.DataFrame(
    {"problem": ["What is 1 + 1 in the decimal system?"] * 2 + ["Name a prime above ten."], "n": [1, 2, 3]}
)


@pytest.fixture
def fetched(monkeypatch, tmp_path):
    import datasets

    calls = []
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(hub, "read_hub", lambda text: calls.append(text) or (ROWS, "owner/name"))
    hub.hub_file.cache_clear()
    yield calls
    hub.hub_file.cache_clear()


def test_a_hub_source_is_one_file_fetched_once(fetched):
    (path,) = expand(SPEC)
    assert expand([SPEC, SPEC]) == [path]
    assert read_rows(SPEC).rows.equals(ROWS)
    assert fetched == [SPEC]
    assert path.name.startswith("owner--name-") and path.suffix == ".parquet"
    assert expand(f"{SPEC}&revision=x") != [path]


def test_a_verb_reads_it(fetched, tmp_path):
    deduplicate.run([SPEC], tmp_path / "out", DeduplicationSection(), field="problem")
    assert read_parts(tmp_path / "out")["n"].to_list() == [1, 3]


def test_a_malformed_spec_is_the_users(monkeypatch):
    hub.hub_file.cache_clear()
    with pytest.raises(UsageError, match="not of the form hf://datasets/OWNER/NAME"):
        expand("hf://datasets/name")
