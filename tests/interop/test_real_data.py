"""Every DICOM file that can be installed is delivered byte for byte, or refused for the right reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom.uid import RE_VALID_UID

from interop.real_data import PACKAGES, Fate, Outcome, RealFile, by_associations, every_file, page, send_all

PAGE = Path(__file__).parents[2] / "docs" / "real-data.md"

#: Cut off by those who made them, as their names say.
TRUNCATED = {"MR_truncated.dcm", "rtplan_truncated.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}
#: Data sets without SOP UIDs in files without file meta information, or with one that has none either.
NAMELESS = {"empty_charset_LEI.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm", "no_meta.dcm"}
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"


@pytest.fixture(scope="module")
def fates(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Fate]:
    return send_all(every_file(), tmp_path_factory.mktemp("site"))


def test_the_page_says_what_became_of_each_file(fates: Sequence[Fate]) -> None:
    """Write it anew with: scripts/generate-docs."""
    assert PAGE.read_text(encoding="utf-8") == page(fates)


def test_no_file_is_left_out(fates: Sequence[Fate]) -> None:
    files = Counter(fate.file.package for fate in fates)
    assert files.keys() == PACKAGES.keys()
    assert files["pydicom"] > 180
    assert files["pydicom-data"] > 60
    assert files["pynetdicom"] >= 6
    assert files["nibabel"] >= 9
    assert len({fate.file.path for fate in fates}) == len(fates)


def expected(file: RealFile) -> tuple[Outcome, int | None]:
    """What must become of a file, judged by what pydicom reads of it and what its makers say of it."""
    if file.path.name in NAMELESS:
        return Outcome.NOT_SENT, None
    if file.sop_class == MEDIA_DIRECTORY:
        return Outcome.NOT_ACCEPTED, None
    if not re.fullmatch(RE_VALID_UID, file.sop_instance):
        return Outcome.REFUSED, 0x0117
    if file.path.name in TRUNCATED:
        return Outcome.REFUSED, 0xC000
    if not file.own_uids:
        return Outcome.REFUSED, 0xA900
    return Outcome.DELIVERED, 0x0000


def test_each_file_is_delivered_unchanged_or_refused_with_the_right_status(fates: Sequence[Fate]) -> None:
    assert {fate.file.name: (fate.outcome, fate.status) for fate in fates} == {
        fate.file.name: expected(fate.file) for fate in fates
    }
    named = TRUNCATED | NAMELESS
    assert {fate.file.path.name for fate in fates} >= named, "a file that stands here is not there any more"
    assert {fate.outcome for fate in fates} == set(Outcome) - {Outcome.CHANGED}


def test_files_with_one_uid_go_over_different_associations() -> None:
    files = [file for file in every_file() if file.sop_instance]
    spread = by_associations(files)
    assert sorted(file.path for members in spread for file in members) == sorted(file.path for file in files)
    assert len(spread) == max(Counter(file.sop_instance for file in files).values()) > 10
    for members in spread:
        assert len({file.sop_instance for file in members}) == len(members)
        assert len({file.pair for file in members}) <= 128
