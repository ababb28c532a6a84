"""Makes the corpus: short right inputs, from our encoders, pydicom's files and our own template.

``python -m fuzz.seeds`` writes what is missing; inputs found by fuzzing stay.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final

import pydicom.data
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from fuzz.targets import CORPUS
from fuzz.targets.association import (
    ACCEPT_BYTES,
    ACCEPTOR_BEGINNINGS,
    REQUEST_BYTES,
    REQUESTOR_BEGINNINGS,
)
from fuzz.targets.head import FAMILIES
from hilum.association.proxy_header import crc32c
from hilum.config import template
from hilum.model import Answer
from hilum.store.part10 import MetaInfo, file_meta, read_meta
from hilum.wire import (
    DEFLATED_LE,
    EXPLICIT_LE,
    Command,
    CommandField,
    echo_request,
    echo_response,
    encode_command,
    response,
    store_request,
    store_response,
)
from hilum.wire.pdu import Reject, encode_abort, encode_data_header, encode_reject, encode_release_rp, encode_release_rq

#: No seed is longer: mutations should hit what is read, not what is skipped.
HEAD_BYTES: Final = 2048
_CT: Final = "1.2.840.10008.5.1.4.1.1.2"
_STORE: Final = store_request(7, sop_class=_CT, sop_instance="2.25.1234", move_originator="MOVER", move_originator_id=3)
_COMMANDS: Final = (
    echo_request(1),
    echo_response(echo_request(1)),
    _STORE,
    store_response(_STORE, Answer(status=0xA700, comment="no space is left")),
    response(Command(field=0x0020, message_id=9, sop_class="1.2.840.10008.5.1.4.1.2.2.1", has_data=True), 0x0211),
    Command(field=CommandField.C_CANCEL_RQ, responded_to=9),
)


def _data_set() -> bytes:
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID, data_set.Modality = _CT, "2.25.1234", "CT"
    data_set.PatientID, data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "A", "2.25.1", "2.25.2"
    file = BytesIO()
    dcmwrite(file, data_set, implicit_vr=False, little_endian=True)
    return file.getvalue()


def _fragments(context_id: int, data: bytes, size: int, *, command: bool) -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(
        encode_data_header(context_id, len(piece), command=command, last=index == len(pieces) - 1) + piece
        for index, piece in enumerate(pieces)
    )


def _streams() -> Iterator[bytes]:
    """What a peer may say once there is an association."""
    store = _fragments(3, encode_command(_STORE), 16384, command=True) + _fragments(3, _data_set(), 4096, command=False)
    echo = _fragments(1, encode_command(_COMMANDS[0]), 16384, command=True)
    yield store + echo + encode_release_rq()
    yield echo + store + encode_release_rq() + encode_abort(0, 0)
    yield _fragments(3, encode_command(_STORE), 30, command=True) + _fragments(3, _data_set(), 22, command=False)
    yield _fragments(1, encode_command(_COMMANDS[1]), 16384, command=True) + encode_release_rp()
    yield _fragments(3, encode_command(_COMMANDS[3]), 16384, command=True) + encode_release_rq() + encode_release_rp()
    yield encode_abort(2, 1)
    yield encode_release_rp()
    yield encode_release_rq() + encode_release_rp()


def _acceptor() -> Iterator[bytes]:
    for second in (0x03, 0x84):
        for stream in _streams():
            yield bytes((0, second)) + REQUEST_BYTES + stream
            yield from (bytes((state, second)) + stream for state in (1, *range(5, len(ACCEPTOR_BEGINNINGS))))
        yield from (bytes((state, second)) + bytes(REQUEST_BYTES) for state in range(5))


def _requestor() -> Iterator[bytes]:
    for second in (0x03, 0x84):
        for stream in _streams():
            yield bytes((0, second)) + ACCEPT_BYTES + stream
            yield from (bytes((state, second)) + stream for state in range(1, len(REQUESTOR_BEGINNINGS)))
        yield bytes((0, second)) + encode_reject(Reject.LOCAL_LIMIT)


def _files() -> Iterator[bytes]:
    folder = Path(pydicom.data.__file__).parent / "test_files"
    for file in sorted(folder.rglob("*.dcm")):
        yield file.read_bytes()


def _heads() -> Iterator[bytes]:
    for file_content in _files():
        meta = read_meta(file_content)
        if isinstance(meta, MetaInfo):
            family = FAMILIES.index(meta.transfer_syntax) if meta.transfer_syntax in FAMILIES else 4
            yield bytes((family,)) + file_content[meta.data_set_offset :][: HEAD_BYTES // 2]
    for data_set in _small_data_sets():
        for family, (implicit, little) in enumerate(((True, True), (False, True), (False, False))):
            file = BytesIO()
            dcmwrite(file, data_set, implicit_vr=implicit, little_endian=little)
            yield bytes((family,)) + file.getvalue()
            if family == FAMILIES.index(EXPLICIT_LE):
                deflated = zlib.compress(file.getvalue())
                # As some write it, with header and check; and as the standard wants it, without.
                yield bytes((FAMILIES.index(DEFLATED_LE),)) + deflated
                yield bytes((FAMILIES.index(DEFLATED_LE),)) + deflated[2:-4]


def _small_data_sets() -> Iterator[Dataset]:
    """Whole ones: of a truncated one nearly every mutation is just as truncated."""
    data_set = dcmread(BytesIO(_data_set()), force=True)
    del data_set.file_meta
    plain = Dataset()
    plain.update(data_set)
    yield plain
    nested = Dataset()
    nested.update(data_set)
    for undefined in (True, False):
        inner = Dataset()
        inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = _CT, "2.25.9"
        inner.is_undefined_length_sequence_item = undefined
        nested.ReferencedImageSequence = [inner]
        nested["ReferencedImageSequence"].is_undefined_length = undefined
        yield nested


def _part10() -> Iterator[bytes]:
    for content in _files():
        meta = read_meta(content)
        end = meta.data_set_offset + 64 if isinstance(meta, MetaInfo) else HEAD_BYTES
        yield content[: min(end, HEAD_BYTES)]
    yield (
        file_meta(
            sop_class=_CT,
            sop_instance="2.25.1234",
            transfer_syntax=EXPLICIT_LE,
            calling="MODALITY",
            called="HILUM",
            implementation_class_uid="2.25.1",
            implementation_version_name="HILUM",
        )
        + _data_set()
    )


def _configuration() -> Iterator[bytes]:
    text = Path(template.__file__).with_name("template.yaml").read_text("utf-8")
    commented_in = "\n".join(
        line.replace("#", "", 1) if line.strip().startswith("#") and ":" in line else line for line in text.split("\n")
    )
    for whole in (text, commented_in):
        lines = [line.partition(" #")[0].rstrip() for line in whole.split("\n")]
        yield "\n".join(line for line in lines if line and not line.startswith("# ")).encode()
    sections = commented_in.split("\n\n")
    yield from (section.encode() for section in sections)
    yield b"dicom: {scp: {port: 104, ae-titles: [{ae-title: A}], sources: []}}\nHILUM__DICOM__SCP__PORT=11112"
    yield b"a: &a [1, 2]\nb: *a\n<<: {c: 1}\nHILUM__WORKFLOWS__0__NAME=x"


def _proxy() -> Iterator[bytes]:
    """Headers of both versions, with and without what may stand behind the addresses."""
    four, six = bytes((198, 51, 100, 7, 192, 0, 2, 9, 4, 210, 0, 104)), bytes(range(32)) + bytes((4, 210, 0, 104))
    checksum, others = bytes((3, 0, 4, 0, 0, 0, 0)), bytes((1, 0, 2)) + b"h2" + bytes((4, 0, 0))
    for command, family, block in (
        (0x21, 0x11, four),
        (0x21, 0x21, six),
        (0x21, 0x31, bytes(216)),
        (0x21, 0x11, four + others),
        (0x21, 0x11, four + checksum),
        (0x20, 0x00, b""),
    ):
        head = b"\r\n\r\n\0\r\nQUIT\n" + bytes((command, family)) + len(block).to_bytes(2)
        data = head + block
        if block.endswith(checksum):
            data = data[:-4] + crc32c(data).to_bytes(4)
        yield data
    yield b"PROXY TCP4 198.51.100.7 192.0.2.9 1234 104\r\n"
    yield b"PROXY TCP6 2001:db8::7 2001:db8::9 1234 104\r\n"
    yield b"PROXY UNKNOWN\r\n"


SEEDS: Final = {
    "acceptor": _acceptor,
    "requestor": _requestor,
    "command": lambda: map(encode_command, _COMMANDS),
    "head": _heads,
    "part10": _part10,
    "proxy": _proxy,
    "configuration": _configuration,
}


def main() -> None:
    """Write each seed under the beginning of its SHA-256."""
    for name, seeds in SEEDS.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed in seeds():
            (folder / sha256(seed).hexdigest()[:16]).write_bytes(seed)
        print(name, len(list(folder.iterdir())), "inputs")


if __name__ == "__main__":
    main()
