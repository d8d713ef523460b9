# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests with a real Tor, which has no network.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from subprocess import DEVNULL, run
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.trial.unittest import TestCase

from twisted_libp2p.errors import DialFailed, ProxyRefused
from twisted_libp2p.node import Node
from twisted_libp2p.transport.onion import Tor

ONION = "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:4001"

# It gives up a connection after a second, and would wait two minutes otherwise.
SETTINGS = """
DataDirectory {folder}/data
SocksPort unix:{folder}/socks
SocksTimeout 1
Log notice stdout
"""

#: In a network of its own, which leads nowhere.
ALONE = ("unshare", "--map-root-user", "--net")


def _missing() -> str | None:
    """
    Return the reason for which Tor cannot be run; None if it can.
    """
    if shutil.which("tor") is None:
        return "there is no tor: apt install tor"
    if shutil.which("unshare") is None:
        return "there is no unshare"
    allowed = run([*ALONE, "true"], stdout=DEVNULL, stderr=DEVNULL, check=False)
    return "networks cannot be made here" if allowed.returncode else None


class TorProcess(ProcessProtocol):
    """
    A Tor.

    @ivar ready: fires when its SOCKS port is open.
    @ivar ended: fires when it has ended.
    """

    transport: Any

    def __init__(self) -> None:
        self.out = b""
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        """
        Look for the line that the port is open.
        """
        self.out += data
        if b"Opened Socks listener connection (ready)" in self.out:
            ready, self.ready = self.ready, Deferred()
            if not ready.called:
                ready.callback(None)

    errReceived = outReceived

    def processEnded(self, reason: object) -> None:
        """
        Report the end.
        """
        if not self.ready.called:
            self.ready.addErrback(lambda _: None)
            self.ready.errback(AssertionError(self.out.decode()))
        self.ended.callback(None)


class RealTorTests(TestCase):
    """
    The error path, as Tor itself has it.
    """

    skip = _missing()
    timeout = 600

    async def test_unreachable(self) -> None:
        """
        Tor replies that it cannot connect, and the dial fails with its reply.
        """
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        os.mkdir(f"{folder}/data", 0o700)
        settings = f"{folder}/torrc"
        with open(settings, "w") as file:
            file.write(SETTINGS.format(folder=folder))
        tor = TorProcess()
        process: Any = reactor
        process.spawnProcess(
            tor,
            ALONE[0],
            [*ALONE, "tor", "--defaults-torrc", "/dev/null", "-f", settings],
            os.environ,
        )
        self.addCleanup(lambda: tor.ended)
        self.addCleanup(tor.transport.signalProcess, "KILL")
        await tor.ready
        node = Node(reactor, transports=[Tor(f"socks5:unix:{folder}/socks")])
        node.startService()
        self.addCleanup(node.stopService)
        with self.assertRaises(DialFailed) as caught:
            await node.connect(ONION)
        ((_, cause),) = caught.exception.causes
        self.assertIsInstance(cause, ProxyRefused)
        self.assertIn("the time to live has expired", str(cause))
