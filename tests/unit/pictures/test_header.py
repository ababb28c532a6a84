from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from hilum.pictures.decoder import colour, header
from hilum.pictures.decoder.grey import Function, Rescale, Window


def dataset(**values: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


class TestWindows:
    def test_all_that_the_header_proposes(self) -> None:
        ds = dataset(WindowCenter=[40, -600], WindowWidth=[400, 1500], WindowCenterWidthExplanation=["ABDOMEN", "LUNG"])
        found = header.windows([ds])
        assert [(one.center, one.width, name) for one, name in found] == [(40, 400, "ABDOMEN"), (-600, 1500, "LUNG")]

    def test_one_that_cannot_be_is_left_out(self) -> None:
        ds = dataset(WindowCenter=[40, 50], WindowWidth=[0, 300])
        assert [one.center for one, _ in header.windows([ds])] == [50]

    def test_a_narrow_one_is_good_for_an_exact_function(self) -> None:
        ds = dataset(WindowCenter=0.5, WindowWidth=0.2, VOILUTFunction="LINEAR_EXACT")
        assert header.scale(ds, 1).voi == Window(center=0.5, width=0.2, function=Function.LINEAR_EXACT)

    def test_an_unknown_function_is_linear(self) -> None:
        assert header.scale(dataset(WindowCenter=1, WindowWidth=2, VOILUTFunction="CUBIC"), 1).voi == Window(
            center=1, width=2
        )


class TestFrames:
    def test_each_frame_has_its_own_window_and_rescale(self) -> None:
        ds = dataset(
            SharedFunctionalGroupsSequence=[
                dataset(PixelValueTransformationSequence=[dataset(RescaleSlope=2, RescaleIntercept=-5)])
            ],
            PerFrameFunctionalGroupsSequence=[
                dataset(FrameVOILUTSequence=[dataset(WindowCenter=10, WindowWidth=20)]),
                dataset(
                    FrameVOILUTSequence=[dataset(WindowCenter=30, WindowWidth=40)],
                    PixelValueTransformationSequence=[dataset(RescaleSlope=3, RescaleIntercept=0)],
                ),
            ],
        )
        first, second = header.scale(ds, 1), header.scale(ds, 2)
        assert (first.modality, first.voi) == (Rescale(slope=2, intercept=-5), Window(center=10, width=20))
        assert (second.modality, second.voi) == (Rescale(slope=3, intercept=0), Window(center=30, width=40))

    def test_a_frame_without_groups_has_what_the_data_set_has(self) -> None:
        ds = dataset(WindowCenter=1, WindowWidth=2, PerFrameFunctionalGroupsSequence=[])
        assert header.scale(ds, 7).voi == Window(center=1, width=2)


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [({"PixelSpacing": [1, 2]}, 0.5), ({"PixelSpacing": [0, 2]}, 1.0), ({"PixelAspectRatio": [3, 1]}, 3.0), ({}, 1.0)],
)
def test_aspect_is_height_by_width(spacing: dict[str, Any], expected: float) -> None:
    assert header.aspect(dataset(**spacing), 1) == expected


def test_text_is_harmless() -> None:
    ds = dataset(ImageComments="a\x1b[31mb\nc" + "d" * 500)
    assert header.text(ds, "ImageComments") == "a[31mbc" + "d" * 57


class TestColours:
    def test_cielab_as_it_is_encoded(self) -> None:
        assert colour.from_cielab([65535, 32896, 32896]) == (255, 255, 255)
        assert colour.from_cielab([0, 32896, 32896]) == (0, 0, 0)
        # sRGB red is L* 54.29, a* 80.80, b* 69.89 under D50.
        red = [54.29 / 100 * 65535, (80.80 + 128) / 255 * 65535, (69.89 + 128) / 255 * 65535]
        assert colour.from_cielab(red) == pytest.approx((255, 0, 0), abs=2)

    def test_any_value_gives_a_colour(self) -> None:
        for value in ([0, 0, 0], [65535, 65535, 0], [30000, 0, 65535]):
            assert all(0 <= part <= 255 for part in colour.from_cielab(value))
