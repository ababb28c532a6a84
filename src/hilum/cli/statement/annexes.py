"""Media interchange, character sets, security, annexes."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Final

from hilum.cli.statement.document import Section, Table
from hilum.cli.statement.facts import Facts
from hilum.store import walk
from hilum.store.part10 import file_meta
from hilum.store.scan import MAX_INFLATED_BYTES
from hilum.wire import (
    EXPLICIT_LE,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    VERIFICATION,
    is_storage,
    keyword_to_uid,
    keywords,
)

#: What each attribute that is read of a received data set is used for.
USES: Final[Mapping[int, str]] = {
    walk.SOP_CLASS: "must be that of the command",
    walk.SOP_INSTANCE: "must be that of the command",
    walk.MODALITY: "none of its own",
    walk.PATIENT_ID: "grouping with `timeout-group: Patient`",
    walk.STUDY: "grouping with `timeout-group: Study`",
    walk.SERIES: "grouping with `timeout-group: Series`",
}


def media() -> Section:
    """No media services."""
    return Section.of(
        "Media interchange",
        "No media storage application profile is supported: Hilum neither writes nor reads media, and makes no "
        "DICOMDIR. The files that it makes for workflows are in the DICOM file format of PS3.10; the files that it "
        "takes from workflows should be.",
    )


def character_sets() -> Section:
    """Nothing is converted."""
    return Section.of(
        "Support of character sets",
        "Every character set is supported, as text of data sets is kept as received and never converted. Specific "
        "Character Set (0008,0005) is not interpreted: Patient IDs are compared byte by byte, so one Patient ID in "
        "two encodings counts as two. The default repertoire is used in command sets and group 0002.",
    )


def security(facts: Facts) -> Section:
    """What there is, and what there is not."""
    checked = (
        "The calling AE title must be configured for the address that the connection comes from."
        if facts.acceptor.rules.reject_unknown_sources
        else "As configured, neither calling AE title nor address is checked: anybody who reaches the port may send."
    )
    return Section.of(
        "Security",
        Section.of(
            "Security profiles",
            "None of the profiles of PS3.15 is supported by this version: associations are neither encrypted nor "
            "authenticated, and no audit messages are sent. Hilum belongs on a network that is protected by other "
            "means: firewall, VPN or a tunnel.",
        ),
        Section.of(
            "Association level security",
            f"The called AE title must be one of the configured ones. {checked} User identity is not asked for. "
            "Limits on connections, sizes, nesting and times keep one peer from harming the service of others.",
        ),
        Section.of(
            "Application level security",
            "None in DICOM. The log holds no personal data unless `dicom.scp.log-dimse-datasets` is true; UIDs, AE "
            "titles and addresses are logged.",
        ),
    )


def annexes() -> Section:
    """Data sets, SOP classes and transfer syntaxes in detail."""
    return Section.of(
        "Annexes",
        _iod_contents(),
        Section.of("Data dictionary of private attributes", "Hilum defines no private attributes."),
        Section.of("Coded terminology and templates", "None is used."),
        Section.of("Greyscale image consistency", "Not applicable: nothing is displayed or printed."),
        Section.of(
            "Standard Extended, Specialized and Private SOP classes",
            "Instances of all of them are stored and sent like any other. A private SOP class is any whose UID does "
            "not begin with the root of the standard, 1.2.840.10008.",
        ),
        Section.of(
            "Private transfer syntaxes",
            "Accepted for storage like any other. A data set in a transfer syntax that is not known is walked as "
            "Explicit VR Little Endian, or as Implicit VR Little Endian if its first element has no VR.",
        ),
        Section.of("Storage SOP classes", storage_sop_classes()),
        Section.of("Transfer syntaxes", "Known by name; any other is accepted for storage too.", transfer_syntaxes()),
    )


def _iod_contents() -> Section:
    return Section.of(
        "IOD contents",
        Section.of("Created SOP instances", "None: instances that are sent were made by workflows."),
        Section.of(
            "Usage of attributes from received IODs",
            "These attributes of the top level of the data set are read as it passes by; of anything else only tags "
            "and lengths are, to tell whether the data set is whole. Of a deflated data set the first "
            f"{MAX_INFLATED_BYTES} bytes are looked at after inflating. The values are recorded in the ledger "
            "and given to processors.",
            used_attributes(),
        ),
        Section.of("Attribute mapping", "None."),
        Section.of("Coerced or modified fields", "None."),
        Section.of(
            "Data stored with the instance",
            "A received instance is stored as a file: 128 bytes 00H, `DICM`, the following elements in Explicit VR "
            "Little Endian, and the data set as received. In a job it is named by its SOP Instance UID.",
            file_elements(),
        ),
    )


def used_attributes() -> Table:
    """What is read of a data set."""
    rows = [(_tag(tag), _name(tag), use) for tag, use in USES.items()]
    return Table.of("used-attributes", ("Tag", "Name", "Use"), rows)


#: Where the value of each element of group 0002 comes from.
SOURCES: Final[Mapping[int, str]] = {
    0x00020000: "bytes of the rest of the group",
    0x00020001: "version 1 of the layout",
    0x00020002: "Affected SOP Class UID",
    0x00020003: "Affected SOP Instance UID",
    0x00020010: "transfer syntax of the presentation context",
    0x00020012: IMPLEMENTATION_CLASS_UID,
    0x00020013: IMPLEMENTATION_VERSION_NAME,
    0x00020016: "calling AE title",
    0x00020017: "calling AE title",
    0x00020018: "called AE title",
}


def file_elements() -> Table:
    """Group 0002 of a spooled file, read from one."""
    from pydicom import dcmread

    example = file_meta(
        sop_class="1.2",
        sop_instance="1.2",
        transfer_syntax=EXPLICIT_LE,
        calling="A",
        called="B",
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
    )
    found = dcmread(BytesIO(example)).file_meta
    rows = [(_tag(element.tag), element.name, element.VR, SOURCES[element.tag]) for element in found]
    return Table.of("file-meta-information", ("Tag", "Name", "VR", "Value"), rows)


def storage_sop_classes() -> Table:
    """Every SOP class of the standard that is served, by its keyword in PS3.6."""
    rows = [(name, uid, "Yes", "Yes") for name, uid in _known() if is_storage(uid)]
    return Table.of("storage-sop-classes", ("SOP class", "UID", "SCU", "SCP"), rows)


def transfer_syntaxes() -> Table:
    """Every transfer syntax of the standard, by its keyword in PS3.6."""
    rows = [(name, uid) for name, uid in _known() if not is_storage(uid) and uid != VERIFICATION]
    return Table.of("transfer-syntaxes", ("Transfer syntax", "UID"), rows)


def _known() -> list[tuple[str, str]]:
    return [(name, uid) for name in keywords() if (uid := keyword_to_uid(name))]


def _tag(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _name(tag: int) -> str:
    from pydicom.datadict import dictionary_description

    return dictionary_description(tag)
