# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of C{libp2p send} and C{libp2p receive}.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from twisted.python.usage import UsageError

from twisted_libp2p.access.book import BookEntry
from twisted_libp2p.access.ticket import PREFIX, Ticket
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.options.command import seconds
from twisted_libp2p.options.data import DataOptions
from twisted_libp2p.options.listening import freeAddresses
from twisted_libp2p.options.looking import AskingOptions, LookingOptions
from twisted_libp2p.options.output import OutputOptions
from twisted_libp2p.quic.backends import installed

__all__ = ["ReceiveOptions", "SendOptions"]


class SendOptions(DataOptions, LookingOptions, OutputOptions):
    """
    Options of C{send}.
    """

    operands = ("FILE", "PEER")
    longdesc = (
        "Sends FILE to PEER, where libp2p receive runs.  PEER is the ticket that it has"
        " printed; or, if the machines are paired, a name, a multiaddr or a peer id.  A"
        " transfer that was interrupted goes on at the same place."
    )
    optParameters: ClassVar[list[Any]] = [
        ["timeout", None, 30.0, "maximum time to connect, in seconds", seconds],
    ]

    def parseArgs(self, path: str, peer: str) -> None:  # type: ignore[override]
        self["file"] = path
        self["secret"] = b""
        if peer.startswith(PREFIX):
            try:
                ticket = Ticket.parse(peer)
            except InvalidInput as error:
                raise UsageError(str(error)) from None
            self["secret"] = ticket.secret
            self["known"] = BookEntry(ticket.peer, "", ticket.addresses)
        else:
            self["known"] = self.book().find(peer)
        self["address"] = peer if self["known"] is None else str(self["known"].peer)


class ReceiveOptions(OutputOptions, DataOptions, AskingOptions):
    """
    Options of C{receive}.
    """

    longdesc = (
        "Prints a ticket, and receives a file of the peer that uses it in libp2p send,"
        " or of a paired peer.  Files are never overwritten.  With --json, the ticket"
        " and each file are an object on a line of its own."
    )
    optParameters: ClassVar[list[Any]] = [
        ["folder", "f", ".", "the folder of the files"],
    ]
    optFlags: ClassVar[list[Any]] = [
        ["keep", "k", "go on after the first file, until Ctrl-C"],
        ["port-mapping", None, "have the router forward the ports that we listen on"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["relay"] = []
        self["relay-service"] = 0

    def opt_listen(self, address: str) -> None:
        """
        listen here, as on /ip4/0.0.0.0/tcp/4002; may be repeated; by default anywhere
        """
        self["listen"].append(address)

    def opt_relay(self, address: str) -> None:
        """
        be reached through this relay, /ip4/.../p2p/...; may be repeated
        """
        self["relay"].append(address)

    opt_l = opt_listen

    def postOptions(self) -> None:
        if not os.path.isdir(self["folder"]):
            raise UsageError(f"there is no folder {self['folder']}")
        if not self["listen"]:
            quic = self["psk"] is None and bool(installed())
            self["listen"] = freeAddresses(quic)
