# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The folder in which the tools of a user keep his key and his paired peers.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar, Final

from twisted.python.usage import CompleteDirs, Completions, UsageError

from twisted_libp2p.access.book import PeerBook, checkName
from twisted_libp2p.access.ticket import Ticket
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.identity import Identity
from twisted_libp2p.identity.secrets import createFolder
from twisted_libp2p.options.command import CommandOptions, seconds
from twisted_libp2p.options.looking import LookingOptions
from twisted_libp2p.options.node import NodeOptions
from twisted_libp2p.options.output import OutputOptions

__all__ = [
    "BOOK_FILE",
    "CONTROL_FILE",
    "KEY_FILE",
    "AcceptOptions",
    "ControlOptions",
    "DataOptions",
    "StatusOptions",
]

#: The name of the private key in the data folder.
KEY_FILE: Final = "node.key"

#: The name of the file of the paired peers.
BOOK_FILE: Final = "peers"

#: The name of the control socket of a running node.
CONTROL_FILE: Final = "control.sock"

#: The folder of the tools, if no other one is named.
FOLDER: Final = "~/.libp2p"

_DATA: list[Any] = [
    ["data", "d", None, f"folder of our key and paired peers; {FOLDER} by default"]
]

_DATA_COMPLETIONS = Completions(optActions={"data": CompleteDirs()})


def folderOf(options: CommandOptions) -> str:
    """
    Return the data folder of a tool.
    """
    return str(options["data"] or os.path.expanduser(FOLDER))


class DataOptions(NodeOptions):
    """
    The options of the tools that speak as the user, to the paired peers.
    """

    optParameters: ClassVar[list[Any]] = _DATA
    compData = _DATA_COMPLETIONS

    def identity(self) -> Identity | None:
        """
        Return the identity of the user: by default the key in the data folder, which is
        made if it does not exist.
        """
        if self["identity"] is None:
            folder = folderOf(self)
            createFolder(folder)
            self["identity"] = os.path.join(folder, KEY_FILE)
        return super().identity()

    def book(self) -> PeerBook:
        """
        Return the paired peers.

        @raise ConfigurationError: the file cannot be read, or is malformed.
        """
        return PeerBook(os.path.join(folderOf(self), BOOK_FILE))


class ControlOptions(OutputOptions):
    """
    Options of C{invite}.
    """

    longdesc = (
        "Asks the node that runs with the same --data for a ticket, and prints it.  It"
        " can be used once, within a day: libp2p accept TICKET puts both peers on each"
        " other's lists.  Send it like a password."
    )
    optParameters: ClassVar[list[Any]] = _DATA
    compData = _DATA_COMPLETIONS

    def socket(self) -> str:
        """
        Return the path of the control socket.
        """
        return os.path.join(folderOf(self), CONTROL_FILE)


class StatusOptions(ControlOptions):
    """
    Options of C{status}.
    """

    longdesc = "Prints the state of the node that runs with the same --data."


class AcceptOptions(OutputOptions, DataOptions, LookingOptions):
    """
    Options of C{accept}.
    """

    operands = ("TICKET",)
    longdesc = (
        "Uses a ticket of libp2p invite: the node that has made it and this machine put"
        " each other on their lists of paired peers."
    )
    optParameters: ClassVar[list[Any]] = [
        ["name", None, None, "our name, such as laptop; that of this host by default"],
        ["timeout", None, 30.0, "maximum time to connect, in seconds", seconds],
    ]

    def parseArgs(self, ticket: str) -> None:  # type: ignore[override]
        try:
            self["ticket"] = Ticket.parse(ticket)
            if self["name"] is not None:
                checkName(self["name"])
        except (InvalidInput, ConfigurationError) as error:
            raise UsageError(str(error)) from None
