import pytest

from tests.decontamination.encoder import save_encoder


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The folder of a tiny sentence-embedding model."""
    return save_encoder(tmp_path_factory.mktemp("encoder"))
