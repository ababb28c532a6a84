"""One accepted association with the peer, for checks that need one that works."""

from __future__ import annotations

from hilum.battery import command, octets
from hilum.battery.acceptance import Acceptance
from hilum.battery.command import Message
from hilum.battery.instance import Instance
from hilum.battery.line import Line
from hilum.battery.octets import CT, EXPLICIT, IMPLICIT, VERIFICATION, Heard
from hilum.battery.request import Proposal
from hilum.battery.verdict import UnobservableError

ECHO = Proposal(1, VERIFICATION, (IMPLICIT,))
CT_EXPLICIT = Proposal(3, CT, (EXPLICIT,))
CT_IMPLICIT = Proposal(5, CT, (IMPLICIT,))


class Association:
    """Requests and their answers.

    Attributes:
        line: Its connection, to say anything else.
        acceptance: The A-ASSOCIATE-AC.
    """

    def __init__(self, line: Line, acceptance: Acceptance, *, stores: bool) -> None:
        self.line = line
        self.acceptance = acceptance
        self._stores = stores

    def release(self) -> Heard:
        """What the peer says to a release request."""
        self.line.send(octets.RELEASE)
        return self.line.hear()

    def need(self, proposal: Proposal) -> None:
        """Go on only if the peer has accepted this.

        Raises:
            UnobservableError: It has not.
        """
        result = self.acceptance.result(proposal.id)
        if result != 0:
            raise UnobservableError(f"{proposal.abstract_syntax} is not accepted: result {result}")

    def echo(self, message: int = 1) -> Message | Heard:
        """The answer to a C-ECHO on the usual context."""
        self.need(ECHO)
        self.line.send(echo_pdu(message))
        return self.line.answer()

    def store(self, instance: Instance, message: int = 1, *, on: Proposal = CT_EXPLICIT) -> Message | Heard:
        """The answer to a C-STORE as it should be."""
        return self.tell(store_pdus(instance, message, on=on), on=on)

    def tell(self, pdus: bytes, *, on: Proposal = CT_EXPLICIT) -> Message | Heard:
        """The answer to PDUs that may store something."""
        self.need(on)
        self.may_store()
        self.line.send(pdus)
        return self.line.answer()

    def may_store(self) -> None:
        """Go on only if the peer may be sent instances.

        Raises:
            UnobservableError: It may not.
        """
        if not self._stores:
            raise UnobservableError("it would store an instance at the peer")


def echo_pdu(message: int = 1) -> bytes:
    """A C-ECHO-RQ on the usual context."""
    return command_pdu(command.echo_request(message), on=ECHO)


def command_pdu(elements: dict[int, command.Value], *, on: Proposal) -> bytes:
    """Any command set, whole, in one P-DATA-TF."""
    return octets.p_data(on.id, octets.COMMAND | octets.LAST, command.command_set(elements))


def data_pdus(content: bytes, *, on: Proposal, size: int = 4096) -> bytes:
    """Any data set in fragments."""
    return octets.fragments(on.id, 0, content, size)


def store_pdus(instance: Instance, message: int = 1, *, on: Proposal = CT_EXPLICIT, size: int = 4096) -> bytes:
    """A C-STORE as it should be, but for the size of its data set's fragments."""
    request = command.store_request(instance.sop_instance, message, sop_class=instance.sop_class)
    return command_pdu(request, on=on) + data_pdus(instance.encode(), on=on, size=size)
