import pynetdicom.sop_class
import pytest
from pydicom._uid_dict import UID_dictionary

from hilum.model import Uid
from hilum.wire import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    VERIFICATION,
    is_storage,
    is_uid,
    keyword_to_uid,
    keywords,
    name_of,
)

KNOWN = {uid: (kind, keyword) for uid, (_, kind, _, _, keyword) in UID_dictionary.items() if keyword}


@pytest.mark.parametrize("uid", sorted(pynetdicom.sop_class._STORAGE_CLASSES.values()))
def test_every_storage_class_of_pynetdicom_is_one_and_has_a_name(uid: str) -> None:
    assert is_storage(uid)
    # The dictionary of pydicom does not know all of them.
    assert name_of(uid) in ([KNOWN[uid][1]] if uid in KNOWN else keywords())


@pytest.mark.parametrize("uid", pynetdicom.sop_class._SERVICE_CLASSES)
def test_no_service_class_is_taken_for_storage(uid: str) -> None:
    assert not is_storage(uid)


def test_of_all_classes_of_the_standard_those_named_storage_are_storage() -> None:
    classes = {uid: keyword for uid, (kind, keyword) in KNOWN.items() if kind == "SOP Class"}
    found = {keyword for uid, keyword in classes.items() if is_storage(uid)}
    named = {keyword for keyword in classes.values() if "Storage" in keyword and "StorageCommitment" not in keyword}
    # The directory of a medium does not travel by C-STORE.
    assert named - found == {"MediaStorageDirectoryStorage"}
    assert found - named == set()


def test_every_transfer_syntax_has_its_keyword() -> None:
    syntaxes = {uid: keyword for uid, (kind, keyword) in KNOWN.items() if kind == "Transfer Syntax"}
    assert {uid: name_of(uid) for uid in syntaxes} == syntaxes


def test_every_keyword_leads_to_its_uid_and_back() -> None:
    for keyword in keywords():
        uid = keyword_to_uid(keyword)
        assert isinstance(uid, Uid)
        assert name_of(uid) == keyword
    assert keyword_to_uid("CTImageStorage") == "1.2.840.10008.5.1.4.1.1.2"
    assert keyword_to_uid("Verification") == VERIFICATION
    assert keyword_to_uid("CTImageStorag") is None


def test_what_has_no_name_is_called_by_its_uid() -> None:
    assert name_of("1.2.3") == "1.2.3"


@pytest.mark.parametrize("uid", ["1.3.12.2.1107.5.9.1", "1.2.840.113619.4.26", "1.2.840.100080.1", "2.25.1"])
def test_private_classes_can_be_stored(uid: str) -> None:
    assert is_storage(uid)


def test_a_storage_class_of_a_later_edition_can_be_stored() -> None:
    assert is_storage("1.2.840.10008.5.1.4.1.1.999.1")


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008", "1.2.840.10008.1.1", "", "1." + "2" * 63, "1..2", "1.2.", "../x", "1.2\n"]
)
def test_nothing_else_can_be_stored(uid: str) -> None:
    assert not is_storage(uid)


def test_a_uid_is_what_the_model_takes_without_padding() -> None:
    for text in ("1", "1.2.3", "1." + "2" * 62, "01.2"):
        assert is_uid(text)
        assert Uid(text) == text
    for text in ("", "1." + "2" * 63, "1.2 ", "1.2\0", "1,2", "\uff11.2"):
        assert not is_uid(text)


def test_our_own_names_fit_their_fields() -> None:
    root, number = IMPLEMENTATION_CLASS_UID.rsplit(".", 1)
    assert (root, int(number) < 2**128, len(IMPLEMENTATION_CLASS_UID) <= 64) == ("2.25", True, True)
    assert 1 <= len(IMPLEMENTATION_VERSION_NAME) <= 16
