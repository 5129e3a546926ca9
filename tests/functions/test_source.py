"""The digest of a function changes with what it is made of, and with nothing else."""

import pytest

from factory.errors import FactoryError
from factory.functions.source import Source, check_unchanged, function_settings


def test_the_file_and_what_it_imports_from_beside_it_count(tmp_path):
    main, helper, deeper = tmp_path / "m.py", tmp_path / "helper.py", tmp_path / "pack" / "deeper.py"
    deeper.parent.mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from . import other\n")
    (tmp_path / "pack" / "other.py").write_text("A = 1\n")
    main.write_text("import json\nfrom helper import a\ndef check(row): return a\n")
    helper.write_text("def late():\n    from pack.deeper import b\na = 1\n")
    deeper.write_text("b = 1\n")
    (tmp_path / "unused.py").write_text("c = 1\n")
    source = Source.of(f"{main}:check")
    digests = [source.digest]
    for path in (main, helper, deeper, tmp_path / "pack" / "__init__.py", tmp_path / "pack" / "other.py"):
        path.write_text(path.read_text() + "# edited\n")
        digests.append(source.digest)
    assert len(set(digests)) == 6
    (tmp_path / "unused.py").write_text("c = 2\n")
    assert source.digest == digests[-1]


def test_the_name_counts_and_the_place_does_not(tmp_path):
    text = "def one(row): return 1\ntwo = one\n"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.py").write_text(text)
    settings = [function_settings(checker=f"{tmp_path}/{f}/m.py:{n}") for f in "ab" for n in ("one", "two")]
    assert settings[0] == settings[2] != settings[1] == settings[3]
    assert list(settings[0]) == ["checker one"] and function_settings(label=None) == {}


def test_two_files_that_import_each_other_end(tmp_path):
    (tmp_path / "a.py").write_text("import b\ndef check(row): pass\n")
    (tmp_path / "b.py").write_text("import a\nimport syntax_error\n")
    (tmp_path / "syntax_error.py").write_text("def (\n")
    assert len(Source.of(f"{tmp_path}/a.py:check").digest) == 64


def test_an_edit_during_the_work_is_noticed(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("def check(row): pass\n")
    settings = {"seconds": 5, **function_settings(filter=f"{path}:check")}
    check_unchanged(settings, filter=f"{path}:check", label=None)
    path.write_text("def check(row): return 1\n")
    with pytest.raises(FactoryError, match="was edited while it was at work"):
        check_unchanged(settings, filter=f"{path}:check")
