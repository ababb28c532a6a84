from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hilum.pictures import placeholder
from hilum.pictures.order import MAX_SIZE, MIN_SIZE


@pytest.mark.parametrize("size", [MIN_SIZE, 100, 512, MAX_SIZE])
def test_is_a_png_of_the_size_that_was_asked_for(size: int) -> None:
    picture = Image.open(io.BytesIO(placeholder.draw("There is no decoder for MPEG2 here", size)))
    assert (picture.format, picture.size, picture.mode) == ("PNG", (size, size), "L")
    assert len(np.unique(np.asarray(picture))) == 2  # something is written on it


def test_takes_any_text() -> None:
    for text in ("", "Übergröße \u6f22\u5b57 \x00\x1b[31m", "word " * 5000, "x" * 5000):
        assert Image.open(io.BytesIO(placeholder.draw(text, 64))).size == (64, 64)


def test_other_words_look_different() -> None:
    assert placeholder.draw("it is too large", 256) != placeholder.draw("it is cut off", 256)
