"""examples/*.ipynb run as they are, in a kernel with its running loop, and show what they are kept with."""

import nbformat
import pytest

from tests.docs.notebooks import EXAMPLES, executed, shown


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.ipynb")))
def test_a_notebook_shows_what_it_is_kept_with(name, tmp_path):
    path = EXAMPLES / f"{name}.ipynb"
    assert shown(executed(path, tmp_path)) == shown(nbformat.read(path, as_version=4)), (
        "python -m tests.docs.notebooks keeps what the cells show"
    )
