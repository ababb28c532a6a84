from __future__ import annotations

from typing import Any

from hilum.pictures.catalogue import Kind, Place, catalogue, in_order
from hilum.pictures.facts import Facts, Segment

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def image(uid: str, **known: Any) -> Facts:
    facts: dict[str, Any] = {"series": "1.1", "shown": True, "frames": 1, "what": "CT Image Storage"}
    return Facts(sop_instance=uid, **(facts | known))


def segmentation(uid: str, **known: Any) -> Facts:
    facts: dict[str, Any] = {
        "series": "1.9",
        "shown": True,
        "frames": 2,
        "is_segmentation": True,
        "segments": (Segment(number=1, label="Lung", colour="#ff0000"),),
    }
    return Facts(sop_instance=uid, **(facts | known))


def order(*facts: Facts) -> list[str]:
    return [one.sop_instance for one in in_order(facts)]


class TestOrder:
    def test_is_that_of_the_positions_along_the_normal(self) -> None:
        slices = [
            image(str(at), orientation=AXIAL, position=(0, 0, place), instance_number=at)
            for at, place in enumerate((5.0, -10.0, 2.5))
        ]
        assert order(*slices) == ["1", "2", "0"]

    def test_of_coronal_slices_goes_by_their_normal_and_not_by_z(self) -> None:
        # The normal of coronal slices is (0, 1, 0): y decides, whatever z is.
        slices = [
            image(str(at), orientation=CORONAL, position=(0, place, 100 - place))
            for at, place in enumerate((3.0, 1.0, 2.0))
        ]
        assert order(*slices) == ["1", "2", "0"]

    def test_is_that_of_instance_numbers_without_positions(self) -> None:
        assert order(image("a", instance_number=10), image("b", instance_number=9), image("c")) == ["b", "a", "c"]

    def test_is_that_of_instance_numbers_if_one_has_no_position(self) -> None:
        slices = [
            image("a", orientation=AXIAL, position=(0, 0, 1), instance_number=2),
            image("b", orientation=AXIAL, instance_number=1),
        ]
        assert order(*slices) == ["b", "a"]

    def test_is_that_of_instance_numbers_if_slices_are_not_parallel(self) -> None:
        slices = [
            image("a", orientation=AXIAL, position=(0, 0, 1), instance_number=2),
            image("b", orientation=CORONAL, position=(0, 0, 5), instance_number=1),
        ]
        assert order(*slices) == ["b", "a"]

    def test_phases_at_one_position_keep_the_order_of_their_numbers(self) -> None:
        slices = [
            image(f"{place}-{number}", orientation=AXIAL, position=(0, 0, place), instance_number=number)
            for place, number in ((1, 4), (0, 2), (1, 3), (0, 1))
        ]
        assert order(*slices) == ["0-1", "0-2", "1-3", "1-4"]


class TestCatalogue:
    def test_segmentation_lies_over_the_series_of_the_instances_it_was_derived_from(self) -> None:
        found = catalogue(
            {
                Kind.INPUT: [image("1", instance_number=1), image("2", instance_number=2), image("3", series="1.2")],
                Kind.RESULT: [segmentation("9", source_instances=("2",), source_series=("1.2",))],
            }
        )
        first, other, over = found
        assert [one.sop_instance for one in first.overlays] == ["9"]
        assert first.overlays[0].on == ("2",)
        assert first.overlays[0].kind is Kind.RESULT
        assert not other.overlays
        assert (over.source_kind, over.source) == (Kind.INPUT, "1.1")

    def test_segmentation_that_names_no_instance_lies_over_the_series_it_names(self) -> None:
        found = catalogue({Kind.INPUT: [image("1")], Kind.RESULT: [segmentation("9", source_series=("1.1",))]})
        assert [one.sop_instance for one in found[0].overlays] == ["9"]
        assert found[0].overlays[0].on == ()

    def test_segmentation_that_names_nothing_lies_over_what_is_in_its_space(self) -> None:
        found = catalogue(
            {
                Kind.INPUT: [
                    image("1", series="1.1", frame_of_reference="7.7", position=(0, 0, 0)),
                    image("2", series="1.2", frame_of_reference="7.8", position=(0, 0, 0)),
                ],
                Kind.RESULT: [segmentation("9", frame_of_reference="7.8")],
            }
        )
        assert [len(one.overlays) for one in found] == [0, 1, 0]

    def test_segmentation_of_something_else_lies_over_nothing(self) -> None:
        found = catalogue(
            {
                Kind.INPUT: [image("1", frame_of_reference="7.7", position=(0, 0, 0))],
                Kind.RESULT: [segmentation("9", source_instances=("5",), frame_of_reference="7.7")],
            }
        )
        assert not found[0].overlays
        assert found[1].source is None

    def test_begins_in_the_middle(self) -> None:
        (found,) = catalogue({Kind.INPUT: [image(str(at), instance_number=at) for at in range(9)]})
        assert found.start == Place(sop_instance="4", frame=1)
        assert found.pictures == 9

    def test_begins_in_the_middle_of_what_is_segmented(self) -> None:
        found = catalogue(
            {
                Kind.INPUT: [image(str(at), instance_number=at) for at in range(9)],
                Kind.RESULT: [segmentation("s", source_instances=("6", "7", "8"))],
            }
        )
        assert found[0].start == Place(sop_instance="7", frame=1)

    def test_counts_frames(self) -> None:
        (found,) = catalogue({Kind.INPUT: [image("1", frames=10, instance_number=1), image("2", frames=3)]})
        assert found.pictures == 13
        assert found.start == Place(sop_instance="1", frame=7)

    def test_what_has_no_picture_says_why_and_comes_last(self) -> None:
        report = Facts(sop_instance="8", series="1.0", series_number=0, what="Basic Text SR Storage", why="no pixels")
        found = catalogue({Kind.INPUT: [report, image("1", series_number=5)]})
        assert [one.series for one in found] == ["1.1", "1.0"]
        assert found[1].start is None
        assert found[1].slices[0].why == "no pixels"

    def test_what_cannot_be_read_is_there_all_the_same(self) -> None:
        (found,) = catalogue({Kind.RESULT: [Facts(sop_instance="8", unreadable="it cannot be read")]})
        assert found.slices[0].why == "it cannot be read"
        assert found.pictures == 0

    def test_inputs_come_before_results_of_the_same_series(self) -> None:
        found = catalogue({Kind.RESULT: [image("2")], Kind.INPUT: [image("1")]})
        assert [one.kind for one in found] == [Kind.INPUT, Kind.RESULT]
