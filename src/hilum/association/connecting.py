"""The TCP connection of an association that Hilum opens."""

from __future__ import annotations

import socket

from hilum.association.peer import Peer
from hilum.association.settings import RequestorTimeouts
from hilum.errors import TemporaryError


def connect(peer: Peer, timeouts: RequestorTimeouts) -> socket.socket:
    """A connected socket; tries each address of a host name in turn.

    Raises:
        TemporaryError: None could be had; the message says what to look at.
    """
    seconds = timeouts.connect.total_seconds()
    try:
        return socket.create_connection((peer.host, peer.port), seconds)
    except socket.gaierror as error:
        raise TemporaryError(f"{peer}: the host name cannot be resolved: {error.strerror}") from error
    except TimeoutError as error:
        raise TemporaryError(
            f"{peer}: no connection within {seconds:g} s; is the address right, is a firewall between?"
        ) from error
    except ConnectionRefusedError as error:
        raise TemporaryError(f"{peer}: the connection was refused; is it running, is the port right?") from error
    except (OSError, UnicodeError) as error:
        raise TemporaryError(f"{peer}: no connection: {error}") from error
