"""The services of an accepted association, Verification and Storage: requests in, answers out.

Knows messages and the sink, no socket: answers are queued on the wire connection, and somebody else writes them.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from hilum.association.observer import InstanceRefused, Observer, Tally
from hilum.association.sink import AssociationSink, InstanceWriter
from hilum.errors import PeerError
from hilum.model import Answer, AssociationInfo, StoreRequest, Uid
from hilum.observe.durations import Durations
from hilum.wire import (
    VERIFICATION,
    Command,
    CommandField,
    Connection,
    Status,
    echo_response,
    response,
    store_response,
)

_log = structlog.get_logger(__name__)


class ObjectTooLargeError(PeerError):
    """A data set is larger than the operator allows; no standard is broken, but the association cannot go on."""


@dataclass(slots=True)
class _Incoming:
    """A message whose data set is arriving; without ``writer`` the data set is read and dropped.

    Attributes:
        reply: What is answered when the data set is complete; with a ``writer``, that decides instead.
        began: When the command was complete, in nanoseconds.
    """

    context_id: int
    command: Command
    writer: InstanceWriter | None
    reply: Command | None
    began: int
    length: int = 0


class Provider:
    """Answers the requests of one association in their order.

    Args:
        connection: After the A-ASSOCIATE-AC; answers are queued there.
        sink: Takes the instances; the provider neither releases nor breaks it.
        observer: Is told of each refused instance.
        object_bytes: The largest data set that is taken.
        log_commands: Write every command set to the log.

    Attributes:
        association: Whose requests these are.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        association: AssociationInfo,
        sink: AssociationSink,
        observer: Observer,
        object_bytes: int,
        log_commands: bool = False,
    ) -> None:
        self._connection = connection
        self.association = association
        self._sink = sink
        self._observer = observer
        self._object_bytes = object_bytes
        self._log_commands = log_commands
        self._syntaxes: dict[int, tuple[Uid, Uid]] = {}  # by context, checked when first used
        self._incoming: _Incoming | None = None
        self._stored = self._passed_over = self._refused = self._echoes = self._data_bytes = 0
        self._took = Durations()

    @property
    def tally(self) -> Tally:
        """What came so far."""
        return Tally(
            stored=self._stored,
            passed_over=self._passed_over,
            refused=self._refused,
            echoes=self._echoes,
            data_bytes=self._data_bytes,
            took=self._took,
        )

    @property
    def receiving(self) -> bool:
        """Whether a data set is on its way."""
        return self._incoming is not None

    def command(self, context_id: int, command: Command) -> None:
        """Take a command set; the answer is queued now, or after the data set if one follows.

        Raises:
            PeerError: The peer answers what nobody asked.
        """
        if self._log_commands:
            _log.info("dimse.command", association=self.association.id, context=context_id, **_told(command))
        if command.is_response:
            raise PeerError(
                f"a response, command field {command.field:04X}H, came although nothing was asked", source=0, reason=0
            )
        began = time.perf_counter_ns()
        writer: InstanceWriter | None = None
        reply: Command | None = None
        if command.field == CommandField.C_STORE_RQ:
            begun = self._begin(context_id, command)
            if isinstance(begun, Answer):
                self._count(command, begun)
                reply = store_response(command, begun)
            else:
                writer = begun
        elif command.field == CommandField.C_ECHO_RQ:
            reply = self._echo(context_id, command)
        elif command.field != CommandField.C_CANCEL_RQ:  # there is nothing to cancel, and no response to it
            reply = response(command, Status.UNRECOGNIZED_OPERATION, "only C-ECHO and C-STORE are served here")
        if command.has_data:
            self._incoming = _Incoming(context_id=context_id, command=command, writer=writer, reply=reply, began=began)
        elif reply is not None:
            self._send(context_id, reply)

    def data(self, fragments: Sequence[memoryview], *, last: bool) -> None:
        """Take the next bytes of the current data set; with the last ones the answer is queued.

        Args:
            fragments: Only valid during the call.

        Raises:
            PeerError: The data set is larger than allowed.
        """
        incoming = self._incoming
        assert incoming is not None  # the wire core lets no data set pass without its command
        size = sum(map(len, fragments))
        incoming.length += size
        self._data_bytes += size
        if incoming.length > self._object_bytes:
            raise ObjectTooLargeError(
                f"a data set is larger than the {self._object_bytes} bytes of limits.object-gb", source=0, reason=0
            )
        writer, reply = incoming.writer, incoming.reply
        if writer is not None:
            writer.write(fragments)
        if not last:
            return
        if writer is not None:
            answer = writer.finish()
            self._took.add(time.perf_counter_ns() - incoming.began)
            self._count(incoming.command, answer, stored=True)
            reply = store_response(incoming.command, answer)
        self._incoming = None
        if reply is not None:
            self._send(incoming.context_id, reply)

    def abandon(self) -> None:
        """The association is over: an unfinished instance leaves no trace."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None and incoming.writer is not None:
            incoming.writer.discard()

    def _send(self, context_id: int, reply: Command) -> None:
        if self._log_commands:
            _log.info("dimse.response", association=self.association.id, context=context_id, **_told(reply))
        self._connection.send_command(context_id, reply)

    def _begin(self, context_id: int, command: Command) -> InstanceWriter | Answer:
        """Start an instance at the sink, or tell why not."""
        context = self._connection.accepted[context_id]
        if command.sop_class != context.abstract_syntax or context.abstract_syntax == VERIFICATION:
            return Answer(
                status=Status.SOP_CLASS_NOT_SUPPORTED, comment="SOP class is not that of the presentation context"
            )
        if not command.has_data:
            return Answer(status=Status.CANNOT_UNDERSTAND, comment="C-STORE-RQ says that no data set follows")
        try:
            sop_instance = Uid(command.sop_instance)
            if context_id not in self._syntaxes:
                self._syntaxes[context_id] = Uid(context.abstract_syntax), Uid(context.transfer_syntax)
        except ValueError:
            return Answer(status=Status.INVALID_SOP_INSTANCE, comment="Affected SOP Instance UID is not a valid UID")
        sop_class, transfer_syntax = self._syntaxes[context_id]
        return self._sink.begin(
            StoreRequest(
                sop_class=sop_class,
                sop_instance=sop_instance,
                transfer_syntax=transfer_syntax,
                message_id=command.message_id,
            )
        )

    def _echo(self, context_id: int, command: Command) -> Command:
        self._echoes += 1
        if self._connection.accepted[context_id].abstract_syntax != VERIFICATION:
            # A working connection is shown by any answer; who has verification switched off hears it here as well.
            return echo_response(command, Status.SOP_CLASS_NOT_SUPPORTED)
        return echo_response(command)

    def _count(self, command: Command, answer: Answer, *, stored: bool = False) -> None:
        if not answer.accepted:
            self._refused += 1
            self._observer(
                InstanceRefused(
                    association=self.association,
                    status=answer.status,
                    comment=answer.comment,
                    sop_class=command.sop_class,
                    sop_instance=command.sop_instance,
                )
            )
        elif stored:
            self._stored += 1
        else:
            self._passed_over += 1


def _told(command: Command) -> dict[str, object]:
    """The elements that a command set has."""
    return {name: value for name, value in dataclasses.asdict(command).items() if value not in ("", None)}
