import pytest

from hilum.cli.phantom import Series, write_series


@pytest.fixture(scope="session")
def chest(tmp_path_factory: pytest.TempPathFactory) -> Series:
    """A chest CT of 64 slices, small enough for a test."""
    return write_series(tmp_path_factory.mktemp("chest"), slices=64, size=128, seed=3)
