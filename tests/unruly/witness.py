# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A subscriber that checks the events of one node, and does anything meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_libp2p.events import (
    AddressesChanged,
    ClosedConn,
    ClosedStream,
    Event,
    Identified,
    Listen,
    ListenClose,
    OpenedConn,
    OpenedStream,
    ProtocolsChanged,
)
from twisted_libp2p.node import Node

if TYPE_CHECKING:
    from tests.unruly.world import World

__all__ = ["Witness"]

KINDS = (
    OpenedConn,
    ClosedConn,
    OpenedStream,
    ClosedStream,
    Identified,
    Listen,
    ListenClose,
    ProtocolsChanged,
    AddressesChanged,
)


class Witness:
    """
    Checks that the events of one node pair, and come in order.
    """

    def __init__(self, world: World, node: Node) -> None:
        self.world = world
        self.connections: dict[Any, bool] = {}
        self.streams: dict[Any, bool] = {}
        for kind in KINDS:
            node.events.subscribe(kind, self.happened)

    def happened(self, event: Event) -> None:
        """
        Take note of an event, and do anything.
        """
        note = self.world.note
        if isinstance(event, OpenedConn):
            if event.connection in self.connections:
                note(f"{event} came twice")
            self.connections[event.connection] = True
        elif isinstance(event, ClosedConn):
            if not self.connections.get(event.connection):
                note(f"{event} came without an opening")
            self.connections[event.connection] = False
            for stream, opened in self.streams.items():
                side = self.world.sides.get(stream)
                # What came whole stays for an application that has paused.
                kept = side is not None and side.paused
                if opened and stream.connection is event.connection and not kept:
                    note(f"{event} came before the end of {stream}")
        elif isinstance(event, OpenedStream):
            if event.stream in self.streams:
                note(f"{event} came twice")
            if not self.connections.get(event.connection):
                note(f"{event} came outside of its connection")
            self.streams[event.stream] = True
        elif isinstance(event, ClosedStream):
            if not self.streams.get(event.stream):
                note(f"{event} came without an opening")
            self.streams[event.stream] = False
        self.world.act(type(event).__name__)

    def left(self) -> list[Any]:
        """
        Return what was opened and not closed.
        """
        return [
            each
            for some in (self.connections, self.streams)
            for each, opened in some.items()
            if opened
        ]
