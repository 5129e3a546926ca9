"""Index files from elsewhere: cut, tampered with, of another version. Never executed, never followed, one clear line."""

import json
import pickle

import numpy as np
import polars as pl
import pytest

from factory.decontamination.index import FORMAT, read
from factory.decontamination.load import build_indexes, load_index
from factory.errors import UsageError


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    problems = [f"A farmer has {i} sheep and sells {i // 2} of them. How many are left?" for i in range(40)]
    pl.DataFrame({"problem": problems}).write_parquet(folder / "farm.parquet")
    build_indexes([str(folder / "farm.parquet")], folder)
    return folder / "farm.index.npz"


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def tampered(index, folder, **changes):
    with np.load(index) as stored:
        arrays = dict(stored)
    facts = json.loads(bytes(arrays["facts"]))
    for name, change in changes.items():
        if name == "facts":
            arrays["facts"] = np.frombuffer(json.dumps(change(facts)).encode(), dtype=np.uint8)
        else:
            arrays[name] = change(arrays[name])
    path = folder / "tampered.index.npz"
    with path.open("wb") as handle:
        np.savez_compressed(handle, **arrays)
    return path


def without(name):
    return lambda facts: {key: value for key, value in facts.items() if key != name}


def far_anchors(anchors):
    anchors["problem"] = 2**32 - 1
    return anchors


def many(array):
    return np.resize(array, 300)


def of_one_problem(offsets):
    return np.where(np.arange(len(offsets)) > 0, 300, 0).astype(offsets.dtype)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"facts": lambda facts: facts | {"format": FORMAT + 1}}, "of another version"),
        ({"facts": without("format")}, "no benchmark index"),
        ({"facts": without("ids")}, "no benchmark index"),
        ({"facts": without("name")}, "no benchmark index"),
        ({"facts": lambda facts: [facts]}, "no benchmark index"),
        ({"facts": lambda facts: facts | {"ids": facts["ids"][:-1]}}, "do not fit together"),
        ({"words_offsets": lambda array: array[::-1].copy()}, "do not fit together"),
        ({"words_offsets": lambda array: np.full_like(array, 2**32 - 1)}, "do not fit together"),
        ({"words": many, "words_df": many, "words_offsets": of_one_problem}, "do not fit together"),
        ({"letters": lambda array: array[:3]}, "do not fit together"),
        ({"letters": lambda array: array.astype(float)}, "do not fit together"),
        ({"figures": lambda array: array[:3]}, "do not fit together"),
        ({"content_offsets": lambda array: array[::-1].copy()}, "do not fit together"),
        ({"content": lambda array: array[:-1]}, "do not fit together"),
        ({"anchors": far_anchors}, "do not fit together"),
        ({"bag": lambda array: np.array([Trap()], dtype=object)}, "no benchmark index"),
    ],
)
def test_a_tampered_index_is_refused(index, tmp_path, changes, message):
    assert read(index).name == "farm"
    with pytest.raises(UsageError, match=message):
        read(tampered(index, tmp_path, **changes))


@pytest.mark.parametrize("change", ["cut", "flipped", "empty", "text", "pickle"])
def test_a_broken_index_is_refused(index, tmp_path, change):
    data = index.read_bytes()
    middle = len(data) // 2
    wrong = {
        "cut": data[:middle],
        "flipped": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
        "empty": b"",
        "text": b"hello",
        "pickle": pickle.dumps(Trap()),
    }
    path = tmp_path / "broken.index.npz"
    path.write_bytes(wrong[change])
    with pytest.raises(UsageError, match="no benchmark index"):
        read(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"problem": []}, "holds no problem"),
        ({"problem": [["a"], ["b"]]}, "List"),
        ({"problem": [b"a"]}, "Binary"),
        ({"question": ["a"]}, "no column problem"),
    ],
)
def test_a_data_file_without_problems_is_no_benchmark(tmp_path, rows, message):
    pl.DataFrame(rows).write_parquet(tmp_path / "data.parquet")
    with pytest.raises(UsageError, match=message):
        load_index([tmp_path / "data.parquet"])
