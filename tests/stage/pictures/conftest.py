from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hilum.pictures.pool import Pool
from stage.pictures.decoding import SMALL


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One decoding process with small limits, which is replaced when it dies."""
    made = Pool(limits=SMALL, processes=1)
    yield made
    made.close()


@pytest.fixture
def make_pool() -> Iterator[Callable[..., Pool]]:
    """Makes pools, all ended at the end of the test."""
    made: list[Pool] = []

    def make(**options: Any) -> Pool:
        made.append(Pool(**({"limits": SMALL, "processes": 1} | options)))
        return made[-1]

    yield make
    for one in made:
        one.close()
