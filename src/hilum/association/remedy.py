"""What the operator can do when a peer's connection ends otherwise than by release. Pure."""

from __future__ import annotations

from typing import Final

from hilum.association.sink import Ending
from hilum.association.transport import Interrupted, LinkEvent, TimedOut, Wait
from hilum.wire import Aborted, ConnectionLost

_VENDOR: Final = "its software does not keep to the DICOM standard here: give this line to the device's vendor"
_SENDER_LOG: Final = "the sender's log says why; it can send again"

#: A request for an association whose version or application context is not that of DICOM.
OTHER_PROTOCOL: Final = "the device speaks another protocol, or one of another time: ask its vendor for DICOM 3.0"
#: A data set larger than ``dicom.scp.limits.object-gb``.
TOO_LARGE: Final = "if instances of this size are right, raise dicom.scp.limits.object-gb"
#: More connections without an association than ``dicom.scp.limits`` allows.
TOO_MANY: Final = "find out what opens connections and does not use them, or raise that limit in dicom.scp.limits"

#: A listed balancer that does not speak the PROXY protocol.
NOT_INTRODUCED: Final = (
    "let the balancer send the PROXY protocol (HAProxy: send-proxy-v2 on the server's line), or take it out of "
    "dicom.scp.proxies"
)

#: An association that an operator aborted.
CUT_OFF: Final = "accept what it stored, or have the device send it again"

_WAITS: Final = {
    Wait.NEXT: "the sender hangs, or pauses longer than dicom.scp.timeouts.idle: see its log, or raise that",
    Wait.PDU: "the network or the sender is very slow: check both, or raise dicom.scp.timeouts.pdu",
    Wait.WRITE: "the sender has stopped reading answers: see its log, and restart it if it hangs",
}


def before_association(event: LinkEvent) -> str:
    """When a connection ends before its A-ASSOCIATE-RQ is complete; empty if nothing needs to be done."""
    match event:
        case Aborted(by_peer=True):
            return _SENDER_LOG
        case Aborted():
            return f"if it is a DICOM device, {_VENDOR}; if not, let it use another port"
        case TimedOut():
            return "see what the network holds back; a device that is slower needs a longer dicom.scp.timeouts.artim"
        case _:
            # Load balancers and monitors come, see that the port is open, and go.
            return ""


def of_association(event: Aborted | ConnectionLost | TimedOut | Interrupted) -> str:
    """When an association ends otherwise than by release."""
    match event:
        case Aborted(by_peer=True):
            return _SENDER_LOG
        case Aborted():
            return _VENDOR
        case TimedOut(wait=wait):
            return _WAITS[wait]
        case ConnectionLost():
            return "check the network, and whether the sender has crashed; it can send again"
        case Interrupted():
            return "it can send again when the gateway runs"


def of_ending(how: Ending) -> str:
    """When the reason is not an event of the connection."""
    if how is Ending.PROTOCOL_ERROR:
        return _VENDOR
    return "see the log for what the gateway lacks, and what of it can be mended; then let the device send again"
