# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Requests in memory, to a site that is served.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransportWithDisconnection

__all__ = ["Browsing"]


class _Transport(StringTransportWithDisconnection):
    """
    A connection in memory that is lost when it is aborted.
    """

    def abortConnection(self) -> None:
        """
        Lose it.
        """
        self.aborting = True
        self.loseConnection()


class Browsing:
    """
    One connection to a site.

    @ivar transport: the site's end of it.
    """

    def __init__(self, reactor: Any, host: str = "127.0.0.1") -> None:
        """
        @param reactor: the one in memory, where the last server is the site.
        @param host: where the connection comes in.
        """
        factory = reactor.tcpServers[-1][1]
        self.transport = _Transport(hostAddress=IPv4Address("TCP", host, 8080))
        self.refused = True
        protocol = factory.buildProtocol(None)
        if protocol is not None:
            self.refused = False
            self._protocol = self.transport.protocol = protocol
            protocol.makeConnection(self.transport)

    def ask(
        self,
        path: str,
        host: str | None = "localhost",
        method: str = "GET",
        **headers: str,
    ) -> tuple[int, dict[str, str], str]:
        """
        Make a request.

        @return: the code, the headers, and what there is of the body by now.
        """
        self.more()
        lines = [f"{method} {path} HTTP/1.1"]
        if host is not None:
            lines.append(f"Host: {host}")
        lines += [f"{name.replace('_', '-')}: {it}" for name, it in headers.items()]
        self._protocol.dataReceived("\r\n".join([*lines, "", ""]).encode())
        head, _, body = self.more().partition("\r\n\r\n")
        status, *told = head.split("\r\n")
        return int(status.split()[1]), dict(each.split(": ", 1) for each in told), body

    def more(self) -> str:
        """
        @return: what has come since somebody looked.
        """
        data: str = self.transport.value().decode()
        self.transport.clear()
        return data
