"""Step 1: bytes to PDUs and DIMSE messages and back, without doing any IO.

=================  ==============================================================================================
``connection.py``  one association: what happens in the world in, events and bytes to send out
``machine.py``     PS3.8 Table 9-10, which ``connection.py`` obeys
``frame.py``       what arrives, cut into PDUs
``pdata.py``       P-DATA-TF PDUs into messages: the fast path of the whole gateway
``request.py``     A-ASSOCIATE-RQ as bytes; ``acceptance.py`` A-ASSOCIATE-AC; ``items.py`` what both are built of
``pdu.py``         the small PDUs as bytes, and every length limit
``dimse.py``       command sets as bytes
``negotiate.py``   which presentation contexts and roles are granted
``events.py``      what is reported
``uids.py``        UIDs and their names
=================  ==============================================================================================
"""

from hilum.wire.connection import Connection, Role
from hilum.wire.dimse import (
    Command,
    CommandField,
    Priority,
    Status,
    decode_command,
    echo_request,
    echo_response,
    encode_command,
    response,
    store_request,
    store_response,
)
from hilum.wire.events import (
    Aborted,
    AssociateAccepted,
    AssociateRefused,
    AssociateRejected,
    AssociateRequested,
    CommandReceived,
    ConnectionLost,
    DataReceived,
    Released,
    ReleaseRequested,
    WireEvent,
)
from hilum.wire.machine import State
from hilum.wire.negotiate import (
    ContextReply,
    ContextResult,
    NegotiationPolicy,
    ProposedContext,
    RoleSelection,
    negotiate,
)
from hilum.wire.pdu import AbortReason, Reject
from hilum.wire.request import AssociateRequest
from hilum.wire.uids import (
    APPLICATION_CONTEXT,
    DEFLATED_LE,
    DICOM_EDITION,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_LE,
    UNCOMPRESSED,
    VERIFICATION,
    is_storage,
    is_uid,
    keyword_to_uid,
    keywords,
    name_of,
)

__all__ = [
    "APPLICATION_CONTEXT",
    "DEFLATED_LE",
    "DICOM_EDITION",
    "EXPLICIT_BE",
    "EXPLICIT_LE",
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "IMPLICIT_LE",
    "UNCOMPRESSED",
    "VERIFICATION",
    "AbortReason",
    "Aborted",
    "AssociateAccepted",
    "AssociateRefused",
    "AssociateRejected",
    "AssociateRequest",
    "AssociateRequested",
    "Command",
    "CommandField",
    "CommandReceived",
    "Connection",
    "ConnectionLost",
    "ContextReply",
    "ContextResult",
    "DataReceived",
    "NegotiationPolicy",
    "Priority",
    "ProposedContext",
    "Reject",
    "ReleaseRequested",
    "Released",
    "Role",
    "RoleSelection",
    "State",
    "Status",
    "WireEvent",
    "decode_command",
    "echo_request",
    "echo_response",
    "encode_command",
    "is_storage",
    "is_uid",
    "keyword_to_uid",
    "keywords",
    "name_of",
    "negotiate",
    "response",
    "store_request",
    "store_response",
]
