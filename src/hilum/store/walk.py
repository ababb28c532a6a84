"""Goes over the elements of a data set as it passes by, from header to header: the inner loop of the fast path.

Nothing is decoded and no value is copied but the captured ones. What is kept does not grow with the data set: the
captured values, at most ``LOOK_AHEAD_BYTES`` of the previous view, and a stack of at most ``MAX_DEPTH`` open sequences.

Let pass, because real devices write it and the bytes are kept anyway:

* explicit VR where implicit VR was agreed, and the reverse, told by the first element, as pydicom does;
* a sequence written as UN, in implicit VR as PS3.5 6.2.2 wants it or in explicit VR;
* tags in any order, duplicate tags (the first one counts), odd lengths, unknown VRs, up to 7 zero bytes at the end;
* anything behind a sequence nested deeper than ``MAX_DEPTH``, if the wanted attributes stand before it.

Not let pass, because no receiver could use it: a value longer than what is left, a sequence without its end, an
element without a VR in the middle of explicit VR, elements of groups 0000, 0002 and FFFE among the others, nothing.

Source: PS3.5 7.1, 7.5, A.1-A.4.
"""

from __future__ import annotations

from itertools import product
from string import ascii_uppercase
from struct import Struct
from typing import Final

from hilum.wire import uids

#: Of a captured value no more than this is kept: far above what PS3.5 6.2 allows any of them.
CAPTURE_BYTES: Final = 1024
#: The longest header and the longest captured value: with so many bytes the next element can always be taken.
LOOK_AHEAD_BYTES: Final = 12 + CAPTURE_BYTES
#: Sequences within sequences; recursive readers give up near 1000, no IOD of PS3.3 comes near 20.
MAX_DEPTH: Final = 64

SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018
MODALITY: Final = 0x00080060
PATIENT_ID: Final = 0x00100020
STUDY: Final = 0x0020000D
SERIES: Final = 0x0020000E  # the last one of a data set that is in order
_WANTED: Final = frozenset({SOP_CLASS, SOP_INSTANCE, MODALITY, PATIENT_ID, STUDY, SERIES})
_WANTED_ELEMENTS: Final = frozenset(tag & 0xFFFF for tag in _WANTED)
_LAST_WANTED_GROUP: Final = 0x0020
#: Commands and file meta information, which are no part of a data set. Source: PS3.5 7.1.
_FOREIGN_GROUPS: Final = frozenset({0x0000, 0x0002})

_UNDEFINED_LENGTH: Final = 0xFFFFFFFF
_DELIMITERS: Final = 0xFFFE  # the group of the three below
_ITEM: Final = 0xE000
_ITEM_END: Final = 0xE00D
_SEQUENCE_END: Final = 0xE0DD
#: Longer than any data set: what is left of it is not looked at.
_ALL_THE_REST: Final = 1 << 62

#: The VRs with a 16-bit length, and "??", which old devices write with one.
#: Source: PS3.5 Table 7.1-2; for "??" DCMTK, dcvr.cc.
SHORT_VRS: Final = frozenset(
    "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US ??".split()  # noqa: SIM905
)
#: Any other two capitals: VRs of the future have a 32-bit length too. Source: PS3.5 7.1.2, Table 7.1-1.
LONG_VRS: Final = frozenset(map("".join, product(ascii_uppercase, repeat=2))) - SHORT_VRS


class Coding:
    """How the elements of one data set are written; there are four."""

    __slots__ = ("explicit", "explicit_header", "implicit_header", "length", "long_vrs", "short_vrs")

    def __init__(self, byte_order: str, *, explicit: bool) -> None:
        self.explicit = explicit
        self.explicit_header = Struct(byte_order + "HHHH").unpack_from  # group, element, VR, 16-bit length
        self.implicit_header = Struct(byte_order + "HHL").unpack_from  # group, element, 32-bit length; items too
        self.length = Struct(byte_order + "L").unpack_from
        # VRs are compared as numbers, which spares a bytes object for each element.
        vr = Struct(byte_order + "H").unpack
        self.short_vrs = frozenset(vr(name.encode())[0] for name in SHORT_VRS)
        self.long_vrs = frozenset(vr(name.encode())[0] for name in LONG_VRS)


_IMPLICIT_LE: Final = Coding("<", explicit=False)
_EXPLICIT_LE: Final = Coding("<", explicit=True)
_IMPLICIT_BE: Final = Coding(">", explicit=False)
_EXPLICIT_BE: Final = Coding(">", explicit=True)
_OTHER_VR: Final = {
    _IMPLICIT_LE: _EXPLICIT_LE,
    _EXPLICIT_LE: _IMPLICIT_LE,
    _IMPLICIT_BE: _EXPLICIT_BE,
    _EXPLICIT_BE: _IMPLICIT_BE,
}
_OTHER_BYTE_ORDER: Final = {
    _IMPLICIT_LE: _IMPLICIT_BE,
    _EXPLICIT_LE: _EXPLICIT_BE,
    _IMPLICIT_BE: _IMPLICIT_LE,
    _EXPLICIT_BE: _EXPLICIT_LE,
}

#: Every transfer syntax that is not here is Explicit VR Little Endian. Source: PS3.5 A.4.
_CODINGS: Final = {
    uids.IMPLICIT_LE: _IMPLICIT_LE,
    uids.EXPLICIT_BE: _EXPLICIT_BE,
    "1.2.840.10008.1.20": _IMPLICIT_LE,  # Papyrus 3, retired
    "1.2.840.113619.5.2": _IMPLICIT_LE,  # private to GE: only the pixel data is big endian
}


def coding_of(transfer_syntax: str) -> Coding:
    """How the top level of a data set of that transfer syntax is written, once it is inflated."""
    return _CODINGS.get(transfer_syntax, _EXPLICIT_LE)


class _StopError(Exception):
    """Ends a walk before its data set ends.

    Attributes:
        why: What is wrong; empty when nothing is, but the rest shall not be looked at.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Walk:
    """Goes over one data set that is not deflated. Never raises for what is in it.

    Attributes:
        skip: How many of the next bytes belong to a value that nobody asked for. Whoever can skip them unread
            lowers this by as many.
        stopped: Nothing more is looked at, be it that enough is known or that the data set cannot be taken.
        values: The first ``CAPTURE_BYTES`` of each wanted attribute that has been met, by tag.

    ``_stack`` starts with the coding of the data set itself. A value of undefined length adds the coding of its items,
    an item of undefined length that of its elements: while the stack has an odd number of entries elements come next,
    with an even one items. Values and items of defined length are skipped whole, whatever is in them.
    """

    __slots__ = ("_carry", "_first", "_stack", "_tag", "_why", "skip", "stopped", "values")

    def __init__(self, coding: Coding) -> None:
        self.skip = 0
        self.stopped = False
        self.values: dict[int, bytes] = {}
        self._carry = b""  # the element that the end of the last view cut off; empty while there is something to skip
        self._stack = [coding]
        self._first = True  # the next element is the first of its data set
        self._tag = -1  # of the last element met at the top level
        self._why = ""

    def feed(self, view: memoryview | bytes) -> None:
        """Take the next bytes, split anywhere; nothing of the view is kept."""
        size, skip = len(view), self.skip
        if size <= skip:  # the way of nearly all pixel data
            self.skip = skip - size
            return
        try:
            self._take(view, skip)
        except _StopError as stop:
            self.stop(stop.why)

    def stop(self, why: str) -> None:
        """Look at nothing more; ``why`` is empty if what has been read is enough."""
        self.stopped = True
        self.skip = _ALL_THE_REST
        self._why = why

    @property
    def identified(self) -> bool:
        """It is known which instance this is, and no wanted attribute will come any more if tags are in order."""
        return SOP_INSTANCE in self.values and (self._tag > SERIES or len(self.values) == len(_WANTED))

    def finish(self) -> str:
        """The data set has ended: why it cannot be taken, in at most 64 characters; empty if it can."""
        if not self.stopped:
            self.stop(self._missing())
        return self._why

    def _missing(self) -> str:
        """What a data set that ends here lacks."""
        if self.skip:
            return f"truncated: {self.skip} bytes are missing in {_name(self._tag)}"
        if len(self._stack) > 1:
            return f"truncated: sequence {_name(self._tag)} has no end"
        if len(self._carry) > 7 or any(self._carry):
            return "truncated: the last element is not whole"
        return "the data set is empty" if self._tag < 0 else ""

    def _take(self, view: memoryview | bytes, pos: int) -> None:
        carry = self._carry
        if carry:
            # One element straddles two views: it is taken from a short copy, what follows it from the view itself.
            joined = carry + bytes(view[:LOOK_AHEAD_BYTES])
            pos = self._walk(joined, 0)
            if len(view) <= LOOK_AHEAD_BYTES:
                self._leave(joined, pos)
                return
            pos -= len(carry)
        self._leave(view, self._walk(view, pos))

    def _leave(self, view: memoryview | bytes, pos: int) -> None:
        self.skip = max(0, pos - len(view))
        self._carry = bytes(view[pos:])

    def _walk(self, view: memoryview | bytes, pos: int) -> int:
        """Go on from ``pos`` to the end of the view.

        Returns:
            Where the next header starts: beyond the view if a value goes on there, less than ``LOOK_AHEAD_BYTES``
            before its end if more bytes are needed to take the next element.
        """
        stack = self._stack
        last = len(view) - 8
        while pos <= last:
            start = pos
            if not len(stack) & 1:
                pos = self._items(view, pos)
            else:
                if self._first:
                    self._recognise(view, pos)
                pos = self._explicit(view, pos) if stack[-1].explicit else self._implicit(view, pos)
            if pos == start:
                break
        return pos

    def _recognise(self, view: memoryview | bytes, pos: int) -> None:
        """Believe the first element of a data set, not what was said of it, whether there are VRs.

        The reverse, VRs within implicit VR, is not looked for inside of sequences: there a length may look like one.

        Source: PS3.5 6.2.2, UN of undefined length.
        """
        self._first = False
        coding = self._stack[-1]
        vr = coding.explicit_header(view, pos)[2]
        has_vr = vr in coding.short_vrs or vr in coding.long_vrs
        if has_vr != coding.explicit and (coding.explicit or len(self._stack) == 1):
            self._stack[-1] = _OTHER_VR[coding]

    def _explicit(self, view: memoryview | bytes, pos: int) -> int:
        """Go over elements with VR until the view or this data set ends or a value of undefined length begins."""
        coding = self._stack[-1]
        header, short_vrs, long_vrs = coding.explicit_header, coding.short_vrs, coding.long_vrs
        top = len(self._stack) == 1
        watched_group = _LAST_WANTED_GROUP if top else -1
        group, element = self._tag >> 16, self._tag & 0xFFFF
        last = len(view) - 8
        while pos <= last:
            group, element, vr, length = header(view, pos)
            if vr in short_vrs:
                start = pos + 8
            elif vr in long_vrs:
                start = pos + 12
                if start > last + 8:
                    break
                (length,) = coding.length(view, pos + 8)
                if length == _UNDEFINED_LENGTH:
                    return self._open(group, element, start)
            else:
                return self._close(group, element, pos + 8)
            if (
                group <= watched_group  # this line and the next are a sieve: few elements cost more than one look
                and (element in _WANTED_ELEMENTS or group < 8)
                and not self._watch(group, element, view, start, length)
            ):
                break
            pos = start + length
        if top:
            self._tag = group << 16 | element
        return pos

    def _implicit(self, view: memoryview | bytes, pos: int) -> int:
        """The same for elements without VR."""
        header = self._stack[-1].implicit_header
        top = len(self._stack) == 1
        watched_group = _LAST_WANTED_GROUP if top else -1
        group, element = self._tag >> 16, self._tag & 0xFFFF
        last = len(view) - 8
        while pos <= last:
            group, element, length = header(view, pos)
            start = pos + 8
            if length == _UNDEFINED_LENGTH:
                return self._open(group, element, start)
            if group == _DELIMITERS:
                return self._close(group, element, start)
            if (
                group <= watched_group
                and (element in _WANTED_ELEMENTS or group < 8)
                and not self._watch(group, element, view, start, length)
            ):
                break
            pos = start + length
        if top:
            self._tag = group << 16 | element
        return pos

    def _items(self, view: memoryview | bytes, pos: int) -> int:
        """Go over the items of a value of undefined length: data sets, or fragments of encapsulated pixel data."""
        coding = self._stack[-1]
        last = len(view) - 8
        while pos <= last:
            group, element, length = coding.implicit_header(view, pos)
            if group == 0xFEFF and element in {0x00E0, 0xDDE0}:
                # PS3.5 6.2.2: a sequence written as UN is little endian in a big endian data set too.
                coding = self._stack[-1] = _OTHER_BYTE_ORDER[coding]
                continue
            pos += 8
            if group == _DELIMITERS and element == _SEQUENCE_END:
                self._stack.pop()
                return pos
            if group != _DELIMITERS or element != _ITEM:
                raise _StopError(f"{_name(self._tag)} has something else where an item is due")
            if length == _UNDEFINED_LENGTH:
                self._stack.append(coding)
                self._first = True
                return pos
            pos += length
        return pos

    def _open(self, group: int, element: int, start: int) -> int:
        """Enter a value of undefined length."""
        if len(self._stack) == 1:
            self._tag = group << 16 | element
            if group in _FOREIGN_GROUPS:
                raise _StopError(f"{_name(self._tag)} does not belong in a data set")
        elif len(self._stack) >= 2 * MAX_DEPTH:
            raise _StopError("" if self.identified else f"sequences are nested deeper than {MAX_DEPTH}")
        self._stack.append(self._stack[-1])
        return start

    def _close(self, group: int, element: int, start: int) -> int:
        """Leave an item of undefined length; nothing else may stand here."""
        if len(self._stack) == 1:
            fault = "outside of a sequence" if group == _DELIMITERS else "without a value representation"
            raise _StopError(f"{_name(group << 16 | element)} {fault}")
        if group != _DELIMITERS or element != _ITEM_END:
            raise _StopError(f"{_name(self._tag)} has something else where an element is due")
        self._stack.pop()
        return start

    def _watch(self, group: int, element: int, view: memoryview | bytes, start: int, length: int) -> bool:
        """Look closer at an element; ``False`` if it is wanted and goes on in the next view."""
        tag = group << 16 | element
        if tag in _WANTED:
            if tag not in self.values:
                end = start + min(length, CAPTURE_BYTES)
                if end > len(view):
                    return False
                self.values[tag] = bytes(view[start:end])
        elif group in _FOREIGN_GROUPS:
            raise _StopError(f"{_name(tag)} does not belong in a data set")
        return True


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
