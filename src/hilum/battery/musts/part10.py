"""Musts 97 to 100: the files that are made of what was received."""

from __future__ import annotations

import re
import zlib

from hilum.battery import octets
from hilum.battery.association import CT_EXPLICIT, ECHO
from hilum.battery.instance import new_uid
from hilum.battery.octets import CT, DEFLATED
from hilum.battery.request import Proposal
from hilum.battery.stored import Part10
from hilum.battery.target import Target
from hilum.battery.verdict import Findings, UnobservableError, fact, must, seen

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_DEFLATED = Proposal(7, CT, (DEFLATED,))


def _stored(to: Target, context: Proposal = CT_EXPLICIT) -> tuple[str, Part10]:
    """The SOP Instance UID and the file of a new instance.

    Raises:
        UnobservableError: It was not stored.
    """
    shelf = to.files()
    instance = to.instance(context.transfer_syntaxes[0])
    with to.associate(ECHO, context) as association:
        answer = association.store(instance, on=context)
        if str(answer) != "0000":
            raise UnobservableError(f"C-STORE is answered {answer}")
        stored = shelf.wait(instance.sop_instance, to.patience)
        association.release()
    if stored is None:
        raise UnobservableError("there is no file")
    return instance.sop_instance, stored


@must(97, "a stored file has a correct head: preamble, group length, version, UIDs, writer", "PS3.10 7.1")
def file_head(to: Target) -> Findings:
    uid, stored = _stored(to)
    yield fact(not any(stored.preamble), "something", "128 bytes of 00H", "preamble")
    yield seen(stored.group_length, str(stored.length), case="group length")
    yield seen((stored.meta.get(0x0001) or b"").hex(), "0001", case="version")
    for case, element, wanted in (
        ("SOP class", 0x0002, CT),
        ("SOP instance", 0x0003, uid),
        ("transfer syntax", 0x0010, octets.EXPLICIT),
    ):
        yield seen(stored.text(element), wanted, case=case)
    writer = stored.text(0x0012) or ""
    yield fact(_UID.fullmatch(writer) is not None, repr(writer), "a UID", "implementation class UID")


@must(98, "a stored file says who sent it, and no private information without its creator", "PS3.10 7.1")
def file_source(to: Target) -> Findings:
    _, stored = _stored(to)
    source = stored.text(0x0016)
    yield seen("absent" if source is None else source, to.calling.strip(), "absent", case="source AE title")
    private = 0x0102 in stored.meta and 0x0100 not in stored.meta
    yield fact(not private, "no creator", "a creator", "private information")


@must(99, "a stored data set has no group 0000 or 0002, and deflated it stays deflated", "PS3.10 7.1, 7.2; PS3.5 A.5")
def file_content(to: Target) -> Findings:
    _, stored = _stored(to)
    yield seen(stored.data_set[:2].hex(), "0800", case="first group")
    _, deflated = _stored(to, _DEFLATED)
    yield seen(deflated.text(0x0010), DEFLATED, case="transfer syntax")
    try:
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated.data_set, 1 << 16)
    except zlib.error:
        inflated = b""
    yield seen(inflated[:2].hex(), "0800", case="first group, inflated")


@must(100, "nothing that is sent becomes a path out of its folder", "product; PS3.10 8; PS3.5 9.1")
def file_names(to: Target) -> Findings:
    shelf = to.files()
    parent = shelf.folder.resolve().parent
    name = f"hilum-{new_uid()[5:21]}"
    for case, uid, study in (
        ("SOP instance", f"../{name}", ""),
        ("study", new_uid(), f"../{name}"),
        ("SOP instance, absolute", f"{parent}/{name}", ""),
    ):
        with to.associate() as association:
            # Refused or stored under another name: both will do.
            association.store(to.instance(sop_instance=uid, study=study))
        outside = list(parent.glob(f"*{name}*"))
        yield fact(not outside, f"{len(outside)} files", "no file", f"outside the folder, {case}")
    longest = max((len(path.name.encode()) for path in shelf.names()), default=0)
    yield fact(longest <= 255, f"{longest} bytes", "at most 255 bytes", "longest name")
