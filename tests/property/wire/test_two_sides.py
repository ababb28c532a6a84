"""A requestor and an acceptor of ours, joined by a network that delivers when and as much as it likes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.wire import (
    Aborted,
    CommandReceived,
    Connection,
    DataReceived,
    Released,
    ReleaseRequested,
    Role,
    WireEvent,
    echo_request,
    echo_response,
    store_request,
)
from unit.wire import raw
from unit.wire.transcript import PROPOSAL, accepts


class Side:
    def __init__(self, role: Role, maximum: int) -> None:
        self.connection = Connection(role, max_pdu_length=maximum)
        self.events: list[WireEvent] = []
        self.data = b""
        self.unsent = b""

    def take(self, data: bytes) -> None:
        for event in self.connection.receive(memoryview(data)):
            self.events.append(event)
            if isinstance(event, DataReceived):
                self.data += bytes(event.data)
            elif isinstance(event, CommandReceived) and event.command == echo_request(1):
                self.connection.send_command(event.context_id, echo_response(event.command))
            elif isinstance(event, ReleaseRequested):
                self.connection.confirm_release()
        self.collect()

    def collect(self) -> None:
        self.unsent += b"".join(self.connection.data_to_send())

    def send_data(self, data: bytes) -> None:
        self.connection.send_command(3, store_request(2, sop_class=raw.CT, sop_instance="1.2.3"))
        self.collect()
        size = self.connection.max_fragment
        for start in range(0, len(data), size):
            part = data[start : start + size]
            header = self.connection.data_header(3, len(part), last=start + size >= len(data))
            self.unsent += header + part


def deliver(source: Side, target: Side, amount: int) -> None:
    data, source.unsent = source.unsent[:amount], source.unsent[amount:]
    if data:
        target.take(data)


MAXIMA = st.sampled_from([8, 9, 64, 1000, 131072, 0])
DELIVERIES = st.lists(st.tuples(st.booleans(), st.integers(1, 2000)), max_size=20)


@settings(max_examples=100, deadline=None)
@given(MAXIMA, MAXIMA, DELIVERIES, st.integers(1, 3000), st.booleans())
def test_everything_arrives_and_both_ends_close_in_good_order(
    ours: int, theirs: int, deliveries: list[tuple[bool, int]], size: int, both_release: bool
) -> None:
    requestor, acceptor = Side(Role.REQUESTOR, ours), Side(Role.ACCEPTOR, theirs)
    requestor.connection.request(PROPOSAL)
    requestor.collect()
    deliver(requestor, acceptor, 1 << 20)
    accepts(acceptor.connection)
    acceptor.collect()
    deliver(acceptor, requestor, 1 << 20)
    data = bytes(number % 251 for number in range(size))

    requestor.connection.send_command(1, echo_request(1))
    requestor.send_data(data)
    requestor.connection.release()
    requestor.collect()
    releases_late = both_release
    for forward, amount in [*deliveries, *[(True, 1 << 20), (False, 1 << 20)] * 3]:
        if releases_late and acceptor.data == data and acceptor.connection.state == "Sta6":
            acceptor.connection.release()
            acceptor.collect()
            releases_late = False
        deliver(*((requestor, acceptor) if forward else (acceptor, requestor)), amount)

    assert not any(isinstance(event, Aborted) for side in (requestor, acceptor) for event in side.events)
    assert acceptor.data == data
    answers = [event.command for event in requestor.events if isinstance(event, CommandReceived)]
    assert answers == [echo_response(echo_request(1))]
    assert isinstance(requestor.events[-1], Released)
    assert requestor.connection.closed
    assert acceptor.connection.timer_running
    acceptor.connection.peer_closed()
    assert acceptor.connection.closed
