# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two lines of the log for each connection, at level debug: its beginning and its end.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.logger import LogLevel

from twisted_libp2p.events import ClosedConn, EventBus, OpenedConn
from twisted_libp2p.logger import Logger
from twisted_libp2p.printable import printable

__all__ = ["logConnections"]

_log: Final = Logger()


def logConnections(events: EventBus) -> None:
    """
    Log each connection of a node from now on.
    """
    events.subscribe(OpenedConn, _opened)
    events.subscribe(ClosedConn, _closed)


def _opened(event: OpenedConn) -> None:
    if not _log.logs(LogLevel.debug):
        return
    _log.debug(
        "connected to {peer} at {address}: {direction}, {transport}, {security},"
        " {muxer}",
        **_fields(event),
    )


def _closed(event: ClosedConn) -> None:
    if not _log.logs(LogLevel.debug):
        return
    _log.debug(
        "disconnected from {peer} at {address} after {seconds:.1f} s: {reason}",
        **_fields(event),
        seconds=event.time - event.connection.openedAt,
        reason=printable(event.reason.getErrorMessage()),
    )


def _fields(event: OpenedConn | ClosedConn) -> dict[str, Any]:
    """
    Return the common fields of both lines.
    """
    return {
        "peer": event.peer,
        "address": event.remoteAddress or "an unknown address",
        "direction": event.direction.value,
        "transport": event.connection.transport,
        "security": event.security,
        "muxer": event.muxer,
    }
