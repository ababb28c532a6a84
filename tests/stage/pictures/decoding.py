"""Asks real decoding processes for pictures of files."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hilum.pictures.facts import Facts
from hilum.pictures.order import Order, Picture
from hilum.pictures.pool import Asked, Files, Pool, to_facts, to_picture
from hilum.pictures.process import Limits

#: Small where that does not depend on how busy the machine is.
SMALL = Limits(seconds=60, memory=500 << 20, pixels=16_000_000)


def opened(paths: Sequence[Path]) -> Files:
    return Files([os.open(path, os.O_RDONLY) for path in paths])


def ask(pool: Pool, paths: Sequence[Path], **order: Any) -> Asked:
    return pool.ask({"do": "draw", "order": Order(**order).to_json()}, opened(paths))


def draw(pool: Pool, *paths: Path, **order: Any) -> Picture:
    """The picture of the first file, with the second over it if there is one."""
    return to_picture(ask(pool, paths, **order).future.result(60), Order(**order))


def describe(pool: Pool, *paths: Path) -> tuple[Facts, ...]:
    return to_facts(pool.ask({"do": "describe"}, opened(paths)).future.result(60), len(paths))


def pixels(picture: Picture) -> NDArray[np.uint8]:
    """What is to be seen on it."""
    assert picture.png.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(picture.png)))


def is_placeholder(picture: Picture) -> bool:
    """Whether it is one, and a picture all the same."""
    found = pixels(picture)
    return bool(picture.why) and found.shape == (512, 512) and len(np.unique(found)) == 2
