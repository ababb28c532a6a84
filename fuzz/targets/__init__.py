"""The targets: what is fuzzed, with the words of its format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from fuzz.targets import association, command, configuration, head, part10, proxy
from fuzz.targets.association import ACCEPT_BYTES, REQUEST_BYTES

CORPUS: Final = Path(__file__).resolve().parent.parent / "corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One reader of foreign bytes.

    Attributes:
        name: Of the folder of its corpus too.
        about: What is read, for the report.
        run: Takes one input; raises whatever is wrong.
        tokens: What the format is made of.
        share: Of all executions of a campaign, in thousandths.
    """

    name: str
    about: str
    run: Callable[[bytes], None]
    tokens: tuple[bytes, ...]
    share: int

    @property
    def corpus(self) -> tuple[bytes, ...]:
        """The saved inputs, in the order of their names."""
        return tuple(file.read_bytes() for file in sorted((CORPUS / self.name).iterdir()))


_PDUS: Final = (
    *(bytes((kind, 0, 0, 0, 0, 4, 0, 0, 0, 0)) for kind in range(9)),
    *(bytes((kind, 0, 0, 0)) for kind in range(9)),
    *(bytes((kind, 0, 0)) for kind in (0x10, 0x20, 0x21, 0x30, 0x40, *range(0x50, 0x5A))),
    *(bytes((0, 0, 0, size, context, control)) for size, context, control in product((2, 4, 8), (1, 3), range(4))),
    bytes(REQUEST_BYTES),
    bytes(ACCEPT_BYTES),
    b"1.2.840.10008.1.2\0",
    b"1.2.840.10008.3.1.1.1",
)
_COMMANDS: Final = (
    *(
        bytes((0, 0, number & 0xFF, number >> 8, length, 0, 0, 0))
        for number in (0, 2, 3, 0x100, 0x110, 0x120, 0x700, 0x800, 0x900, 0x902, 0x1000, 0x1030, 0x1031)
        for length in (0, 2)
    ),
    *(b"\x01\x80", b"\x30\0", b"\xff\x0f", b"\x01\x01", b"\\", b" ", b"1.2.840.10008.1.1\0"),
)
_TAGS: Final = (
    "00080005 00080016 00080018 00080060 00081140 00100020 0020000D 0020000E 7FE00010 00020010 00000000 "
    "FFFEE000 FFFEE00D FFFEE0DD 00091010"
).split()
_ELEMENTS: Final = (
    *(bytes.fromhex(tag[2:4] + tag[:2] + tag[6:] + tag[4:6]) for tag in _TAGS),
    *(bytes.fromhex(tag) for tag in _TAGS),
    *(vr + b"\0\0" + size for vr in (b"SQ", b"UN", b"OB", b"UT") for size in (b"\xff\xff\xff\xff", b"\x08\0\0\0")),
    *(vr + size for vr in (b"UI", b"CS", b"LO", b"US", b"??", b"ZZ") for size in (b"\x02\0", b"\0\x02", b"\0\0")),
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"\xff\xfe\xe0\x00\xff\xff\xff\xff",
)
_META: Final = (
    b"DICM",
    *(bytes((2, 0, number, 0)) for number in (0, 1, 2, 3, 0x10, 0x12, 0x13, 0x16)),
    b"UI\x12\0001.2.840.10008.1.2\0",
    b"OB\0\0",
    b"\x08\0\x05\0CS\0\0",
)
_PROXY: Final = (
    b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN", b"\r\n",
    b"255.255.255.255 ", b"::ffff:1.2.3.4 ", b"65535",
    b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", b"\x21\x21\0\x24", b"\x20\0\0\0", b"\x21\x31\0\xd8",
    b"\x03\0\x04", b"\x04\0\0", b"\x20\0\x05",
)  # fmt: skip
_YAML: Final = tuple(
    token.encode()
    for token in (
        *"[] {} : - # & * ! | > ' \" % @ ` , ? << ~ null true yes .inf .nan 0x10 1_0 1e999 -1 65536 --- ...".split(),
        *"&a *a !!python/object: !!binary !!set <<: \n \n\n \n--- \r \t \ufeff \x85 \u2028 \x00 \x7f".split(" "),
        '"\\ud800"', '"\\x00"', '"\\n"', "[[[[[[[[", "{{{{{{{{", "- - - - - -", "  ", ": ", "- ", "1" * 50,
        "dicom", "scp", "scu", "port", "host", "ae-titles", "ae-title", "timeout", "timeout-group", "Study", "sources",
        "host-ip", "destinations", "name", "workflows", "clara-ae-title", "destination-name", "engine", "storage",
        "temporary", "payloads", "output", "ledger", "url", "sqlite:///x.db", "engines", "command", "limits", "retry",
        "\nHILUM__DICOM__SCP__PORT=1\n", "\nHILUM__", "__0", "__", "=", "10.0.0.0/33", "::1", "fe80::1%eth0",
        "web", "token", "retention-days", "verification", "transfer-syntaxes", "ImplicitVRLittleEndian",
    )
)  # fmt: skip

TARGETS: Final = {
    target.name: target
    for target in (
        Target(
            name="acceptor",
            about="PDUs of a calling peer",
            run=association.acceptor,
            tokens=_PDUS + _COMMANDS,
            share=40,
        ),
        Target(
            name="requestor",
            about="PDUs of a called peer",
            run=association.requestor,
            tokens=_PDUS + _COMMANDS,
            share=40,
        ),
        Target(name="command", about="DIMSE command sets", run=command.command, tokens=_COMMANDS, share=458),
        Target(name="head", about="data sets", run=head.head, tokens=_ELEMENTS, share=80),
        Target(name="part10", about="heads of DICOM files", run=part10.part10, tokens=_META + _ELEMENTS, share=325),
        Target(name="proxy", about="PROXY protocol headers", run=proxy.proxy, tokens=_PROXY, share=50),
        Target(
            name="configuration", about="app.yaml and variables", run=configuration.configuration, tokens=_YAML, share=7
        ),
    )
}
