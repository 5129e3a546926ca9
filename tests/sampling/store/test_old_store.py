"""A store that commit fc072b4 wrote (made with that commit's own code): every row is found at its address."""

import json
import shutil
from pathlib import Path

import pytest

from factory.sampling.store.journal import ResponseStore, request_key, response_key

OLD = Path(__file__).parent / "fc072b4"


@pytest.fixture
def old(tmp_path):
    for path in OLD.glob("*.sqlite"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_every_row_is_read_at_its_address(old):
    expected = json.loads((OLD / "expected.json").read_text())
    for _ in range(2):
        with ResponseStore(old) as store:
            for row in expected["rows"]:
                key = bytes.fromhex(row["key"])
                assert response_key(row["request_key"], row["sample_index"]) == key
                assert request_key(row["wire"]) == row["request_key"]
                (found,) = store.get_many([key], failed=True)
                for name in (
                    "sampler",
                    "model",
                    "status",
                    "prompt_tokens",
                    "completion_tokens",
                    "usd",
                    "body",
                ):
                    assert getattr(found, name) == row[name]
                assert store.request(row["request_key"]) == row["wire"]
            usd, tokens = store.spent("old-job")
            assert (usd, tokens) == (pytest.approx(expected["spent_usd"]), expected["spent_tokens"])
            assert not store.damaged
