"""P-DATA-TF bodies: presentation data values (PDVs) into command sets and pieces of data sets, as the bytes come.

Source: PS3.8 9.3.5, Annex E.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from hilum.errors import PeerError
from hilum.wire.dimse import MAX_COMMAND_BYTES, decode_command
from hilum.wire.events import CommandReceived, DataReceived, WireEvent
from hilum.wire.pdu import COMMAND_BIT, DATA_PDU_HEADER, LAST_BIT, PDV_HEADER, AbortReason, PduType

#: Pieces of a data set shorter than this are joined: a peer may send fragments of two bytes, and each piece reported on
#: its own costs a hundred times its size. A piece that comes whole from an ordinary fragment is never copied.
CRUMB_BYTES: Final = 512

_P_DATA: Final = int(PduType.P_DATA_TF)


class DataStream:
    """One association's incoming messages.

    No data set is gathered: its pieces are handed on as views of what was received. Only command sets are gathered, up
    to ``MAX_COMMAND_BYTES``.
    """

    __slots__ = ("_command", "_command_id", "_contexts", "_control", "_data_id", "_header", "_id", "_left")

    def __init__(self, contexts: Container[int]) -> None:
        """Begin between two messages.

        Args:
            contexts: IDs of the accepted presentation contexts.
        """
        self._contexts = contexts
        self._header = bytearray()  # of a PDV, while not all of it is here
        self._left = 0  # bytes still to come of the current PDV's fragment
        self._id = 0  # of the current PDV
        self._control = 0  # of the current PDV
        self._command = bytearray()  # fragments of a command set
        self._command_id = 0  # context of a command set that is not complete, or 0
        self._data_id = 0  # context on which a data set is due, or 0

    def take_pdus(self, data: memoryview, position: int, longest: int, events: list[WireEvent]) -> tuple[int, int]:
        """The fast path: PDUs that are here whole and hold just one fragment, of the data set that is due.

        Nearly all PDUs are of that kind. This reads as many of them as follow each other and leaves everything else to
        the slow path, which would report the same events for them.

        Args:
            data: What was received.
            position: Where a PDU begins.
            longest: Allowed length field of a P-DATA-TF PDU.
            events: Appended to.

        Returns:
            Where the first other PDU begins, and how many were read.
        """
        context_id = self._data_id
        if not context_id:
            return position, 0
        count = 0
        unpack_from = DATA_PDU_HEADER.unpack_from
        last_start = len(data) - DATA_PDU_HEADER.size
        while position <= last_start:
            kind, length, pdv_length, pdv_id, control = unpack_from(data, position)
            stop = position + 6 + length
            if (
                kind != _P_DATA
                or pdv_length != length - 4
                or pdv_id != context_id
                or control & COMMAND_BIT
                or not CRUMB_BYTES <= length <= longest
                or stop > len(data)
            ):
                break
            last = control & LAST_BIT != 0
            events.append(DataReceived(context_id, data[position + 12 : stop], last))
            position = stop
            count += 1
            if last:
                self._data_id = 0
                break
        return position, count

    def take(self, data: memoryview, position: int, stop: int, pdu_left: int, events: list[WireEvent]) -> None:
        """Read a stretch of one P-DATA-TF body.

        Args:
            data: What was received.
            position: Where the stretch begins.
            stop: Where it ends, which is where the body or what was received ends.
            pdu_left: Bytes of the body that are still to come.
            events: Appended to.

        Raises:
            PeerError: A PDV does not fit into its PDU, a fragment must not come here, or a command set is malformed.

        Source: PS3.8 Tables 9-22, 9-23, E.2.
        """
        while position < stop:
            if not self._left:
                position, whole = self._take_header(data, position, stop, pdu_left)
                if not whole:
                    return
            end = min(position + self._left, stop)
            self._left -= end - position
            last = not self._left and self._control & LAST_BIT != 0
            if self._control & COMMAND_BIT:
                self._command += data[position:end]
                if last:
                    self._finish_command(events)
            elif last or end > position:
                if last:
                    self._data_id = 0
                self._hand_on(data[position:end], last, events)
            position = end

    def _take_header(self, data: memoryview, position: int, stop: int, pdu_left: int) -> tuple[int, bool]:
        """Read a PDV's header, or what of it is here.

        Returns:
            Where the header or the stretch ends, and whether the header is whole.
        """
        header = self._header
        available = len(header) + stop - position + pdu_left
        if available < PDV_HEADER.size:
            raise PeerError(f"a P-DATA-TF PDU ends within a PDV header, after {available} of its 6 bytes")
        end = min(position + PDV_HEADER.size - len(header), stop)
        header += data[position:end]
        if len(header) < PDV_HEADER.size:
            return end, False
        length, context_id, control = PDV_HEADER.unpack(header)
        header.clear()
        # The PDV's length counts its context ID and message control header.
        if not 2 <= length <= available - 4:
            raise PeerError(f"a PDV says {length} bytes; 2 to the {available - 4} that its PDU has left are allowed")
        if context_id not in self._contexts:
            raise PeerError(f"a PDV came on presentation context {context_id}, which was not accepted")
        if control & COMMAND_BIT:
            self._begin_command_fragment(context_id, length - 2)
        elif context_id != self._data_id:
            due = f"it was due on {self._data_id}" if self._data_id else "no command announced one"
            raise _out_of_order(f"a piece of a data set came on presentation context {context_id}, but {due}")
        self._left = length - 2
        self._id = context_id
        self._control = control
        return end, True

    def _begin_command_fragment(self, context_id: int, length: int) -> None:
        """Source: PS3.8 E.1: fragments of a message follow each other, on one context, command before data set."""
        if self._data_id:
            raise _out_of_order(
                f"a command came before the data set on presentation context {self._data_id} was complete"
            )
        if self._command_id not in (0, context_id):
            raise _out_of_order(f"a command began on presentation context {self._command_id}, went on on {context_id}")
        if len(self._command) + length > MAX_COMMAND_BYTES:
            raise PeerError(f"a command set grew beyond {MAX_COMMAND_BYTES} bytes")
        self._command_id = context_id

    def _finish_command(self, events: list[WireEvent]) -> None:
        command = decode_command(bytes(self._command))
        self._command.clear()
        self._command_id = 0
        if command.has_data:
            self._data_id = self._id
        events.append(CommandReceived(context_id=self._id, command=command))

    def _hand_on(self, piece: memoryview, last: bool, events: list[WireEvent]) -> None:
        """Report a piece of a data set, joined to the one before if both are crumbs."""
        if len(piece) < CRUMB_BYTES and events:
            before = events[-1]
            # It is of the same data set: a command stands between two.
            if isinstance(before, DataReceived) and len(before.data) < CRUMB_BYTES:
                events.pop()
                piece = memoryview(bytes(before.data) + piece)
        events.append(DataReceived(self._id, piece, last))


def _out_of_order(what: str) -> PeerError:
    return PeerError(f"{what}; messages must not interleave", reason=AbortReason.UNEXPECTED_PARAMETER)
