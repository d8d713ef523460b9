# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Proxies written by hand, for SOCKS5 and for CONNECT, on real sockets.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

__all__ = ["ConnectServer", "ProxyTestCase", "SocksServer"]


class _Far(Protocol):
    """
    The proxy's connection to the peer.
    """

    near: _Near
    transport: Any

    def connectionMade(self) -> None:
        """
        Join both connections, with back-pressure in both directions.
        """
        near = self.near
        near.far = self
        self.transport.registerProducer(near.transport, True)
        near.transport.registerProducer(self.transport, True)
        near.transport.write(near.granted() + near.factory.trailing)
        near.dataReceived(b"")

    def dataReceived(self, data: bytes) -> None:
        """
        Pass bytes to the client.
        """
        self.near.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Close the other connection.
        """
        self.near.transport.unregisterProducer()
        self.near.transport.loseConnection()


class _Near(Protocol):
    """
    The client's connection to the proxy.
    """

    factory: Any
    transport: Any
    far: _Far | None = None

    def __init__(self) -> None:
        self.data = b""

    def dataReceived(self, data: bytes) -> None:
        """
        Read requests; then pass bytes to the peer.
        """
        self.data += data
        if self.far is None:
            self.read()
        else:
            data, self.data = self.data, b""
            self.far.transport.write(data)

    def read(self) -> None:
        """
        Read requests.
        """
        raise NotImplementedError

    def granted(self) -> bytes:
        """
        Return the answer to a request after which there is a connection.
        """
        raise NotImplementedError

    def refused(self, reason: Failure) -> None:
        """
        Answer that there is no connection.
        """
        raise NotImplementedError

    def take(self, size: int) -> bytes:
        """
        Cut off the first bytes.
        """
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def open(self, host: str, port: int) -> None:
        """
        Connect to the peer.
        """
        self.factory.asked.append((host, port))
        place = self.factory.names.get(host, (host, port))
        far = _Far()
        far.near = self
        TCP4ClientEndpoint(reactor, *place).connect(
            Factory.forProtocol(lambda: far)
        ).addErrback(self.refused)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Close the other connection.
        """
        self.factory.clients.discard(self)
        if self.far is not None:
            self.far.transport.unregisterProducer()
            self.far.transport.loseConnection()

    def connectionMade(self) -> None:
        """
        Count the client.
        """
        self.factory.clients.add(self)


class _Proxy(Factory):
    """
    A proxy.

    @ivar names: the places of hosts by their names; others are what they say.
    @ivar asked: the hosts and ports that clients have asked for.
    @ivar credentials: the user and the password of clients; None without them.
    @ivar answer: sent in place of any answer to a request, if it is not empty.
    @ivar trailing: sent with the answer, as if the peer had spoken first.
    """

    noisy = False

    def __init__(self, **names: tuple[str, int]) -> None:
        self.names = names
        self.asked: list[tuple[str, int]] = []
        self.clients: set[_Near] = set()
        self.credentials: tuple[str, str] | None = None
        self.answer = b""
        self.trailing = b""


class _SocksNear(_Near):
    """
    SOCKS5.
    """

    state = "greeting"

    def read(self) -> None:
        """
        Read requests, which each client sends one after the other.
        """
        if not self.data:
            return
        if self.state == "greeting":
            ways = self.take(2 + self.data[1])[2:]
            if self.factory.credentials is None:
                self.state = "request"
                self.transport.write(b"\5\0")
            else:
                self.state = "login"
                self.transport.write(b"\5\2" if 2 in ways else b"\5\xff")
        elif self.state == "login":
            user, password = self.factory.credentials
            right = b"\1" + b"".join(
                bytes((len(each),)) + each.encode() for each in (user, password)
            )
            self.state = "request"
            self.transport.write(b"\1\0" if self.take(512) == right else b"\1\1")
        elif self.state == "request":
            self.state = "done"
            kind = self.data[3]
            if kind == 3:
                size = self.data[4]
                host = self.data[5 : 5 + size].decode()
            else:
                size = 3
                host = ".".join(map(str, self.data[4:8]))
            port = int.from_bytes(self.data[5 + size : 7 + size], "big")
            self.take(7 + size)
            if self.factory.answer:
                self.factory.asked.append((host, port))
                self.transport.write(self.factory.answer)
            else:
                self.open(host, port)

    def granted(self) -> bytes:
        """
        Return the reply, with an address that nobody needs.
        """
        return b"\5\0\0\1\0\0\0\0\0\0"

    def refused(self, reason: Failure) -> None:
        """
        Reply that there is no connection.
        """
        code = 5 if reason.check(ConnectionRefusedError) else 1
        self.transport.write(bytes((5, code, 0, 1)) + bytes(6))
        self.transport.loseConnection()


class SocksServer(_Proxy):
    """
    A SOCKS5 proxy.
    """

    protocol = _SocksNear


class _ConnectNear(_Near):
    """
    CONNECT.
    """

    head = b""

    def read(self) -> None:
        """
        Read the request.
        """
        end = self.data.find(b"\r\n\r\n")
        if self.head or end < 0:
            return
        self.head = self.take(end + 4)
        self.factory.heads.append(self.head)
        host, _, port = self.head.split()[1].decode().rpartition(":")
        if self.factory.answer:
            self.transport.write(self.factory.answer)
        else:
            self.open(host.strip("[]"), int(port))

    def granted(self) -> bytes:
        """
        Return the answer.
        """
        return b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"

    def refused(self, reason: Failure) -> None:
        """
        Answer that there is no connection.
        """
        self.transport.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno")
        self.transport.loseConnection()


class ConnectServer(_Proxy):
    """
    An HTTP proxy.

    @ivar heads: the heads of all requests.
    """

    protocol = _ConnectNear

    def __init__(self, **names: tuple[str, int]) -> None:
        super().__init__(**names)
        self.heads: list[bytes] = []


class ProxyTestCase(TestCase):
    """
    A test with proxies, which are closed after it.
    """

    def serve(self, proxy: _Proxy) -> int:
        """
        Run a proxy on loopback.

        @return: its port.
        """
        net: Any = reactor
        port: Any = net.listenTCP(0, proxy, interface="127.0.0.1")

        def stop() -> Deferred[None] | None:
            for client in proxy.clients:
                client.transport.abortConnection()
            stopping: Deferred[None] | None = port.stopListening()
            return stopping

        self.addCleanup(stop)
        number: int = port.getHost().port
        return number
