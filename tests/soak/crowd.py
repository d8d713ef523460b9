# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program for L{tests.soak}: peers that come to other nodes, transfer, and vanish, for
as long as its standard input is open.

Each second it writes a JSON object with what it has done in that time.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import provider

from tests.interop.ours import ECHO, QuietFactory, Upload, serve
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.node import Node

reactor: Any = installed

#: The largest transfer, as a power of two of bytes.
LARGEST = 20

#: Seconds that a peer stays away at the most.
PAUSE = 4.0

#: Seconds that it stays when it has done what it came for, at the most.
STAY = 8.0

#: Seconds after which a transfer is given up.
PATIENCE = 60.0


class Compared(Upload):
    """
    Sends bytes, and compares each that comes back.

    @ivar wrong: whether one was another.
    """

    def __init__(self, data: bytes, piece: int) -> None:
        super().__init__(data, piece)
        self._sent = data
        self.wrong = False

    def dataReceived(self, data: bytes) -> None:
        """
        Compare.
        """
        end = self.size + len(data)
        self.wrong = self.wrong or self._sent[self.size : end] != data
        self.size = end


class Crowd:
    """
    The peers of this process.
    """

    def __init__(self, addresses: list[str]) -> None:
        """
        @param addresses: where to go: mostly to the first.
        """
        self._addresses = addresses
        self._done: Counter[str] = Counter()

    async def live(self) -> None:
        """
        Be one peer after the other.
        """
        while True:
            node = Node(
                reactor,
                security=random.choice((["noise"], ["tls"], ["noise", "tls"])),
                muxers=random.choice((["yamux"], ["mplex"], ["yamux", "mplex"])),
            )
            serve(node)
            node.startService()
            for _ in range(random.randint(1, 4)):
                await deferLater(reactor, random.uniform(0, PAUSE))
                await self._visit(node)
                if not node.running:
                    break
            else:
                await node.stopService()

    async def _visit(self, node: Node) -> None:
        """
        Go somewhere once; the node may be stopped by then.
        """
        address = self._addresses[0]
        if random.random() < 0.2:
            address = random.choice(self._addresses)
        try:
            connection = await node.connect(address)
        except Libp2pError as error:
            self._failed("connect", error)
            return
        self._done["connected"] += 1
        transfers = gatherResults(
            [
                Deferred.fromCoroutine(self._transfer(connection, address))
                for _ in range(random.randint(1, 6))
            ]
        )
        if random.random() < 0.3:
            # It vanishes in the midst of it, in one way or another.
            await deferLater(reactor, random.uniform(0, 0.2))
            if random.random() < 0.5:
                connection.abort(Failure(ConnectionAborted()))
            else:
                await node.stopService()
        await transfers
        # The longer they stay, the more of them there are.
        await deferLater(reactor, random.uniform(0, STAY))
        await connection.close()

    async def _transfer(self, connection: IConnection, address: str) -> None:
        size = 1 << random.randint(0, LARGEST)
        data = random.randbytes(size)
        client = Compared(data, random.choice((1400, 65507)))
        self._done["begun"] += 1
        try:
            opening = connection.openStream(ECHO, QuietFactory(lambda: client))
            await opening.addTimeout(PATIENCE, reactor)
            await client.ended.addTimeout(PATIENCE, reactor)
        except Exception as error:
            self._failed("transfer", error)
        else:
            client.transport.loseConnection()
            if client.size == size:
                self._done["whole"] += 1
            elif address == self._addresses[0]:
                # It ended its half, and so has said that this is all; some other
                # implementations do so for a stream that was cut off, too.
                client.wrong = True
        # Where opening has failed, nobody has waited for the end.
        client.ended.addErrback(lambda reason: None)
        self._done["bytes"] += client.size
        self._done["wrong"] += client.wrong

    def _failed(self, what: str, error: Exception) -> None:
        self._done[f"{what}: {type(error).__name__}"] += 1

    def report(self) -> None:
        """
        Tell what was done since the last report.
        """
        done, self._done = self._done, Counter()
        sys.stdout.write(json.dumps({k: v for k, v in done.items() if v}) + "\n")
        sys.stdout.flush()


class Leash(Protocol):
    """
    Ends the program with its standard input.
    """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Nobody listens any more.
        """
        if reactor.running:
            reactor.stop()


@provider(ILogObserver)
def complain(event: Any) -> None:
    """
    Tell what is logged of a failure of our own.
    """
    if event["log_level"] is LogLevel.critical:
        failure = event.get("log_failure")
        sys.stderr.write(failure.getTraceback() if failure else str(event))


def main() -> None:
    """
    Run until the standard input ends.
    """
    globalLogPublisher.addObserver(complain)
    crowd = Crowd(sys.argv[2:])

    def begin() -> None:
        StandardIO(Leash())
        for _ in range(int(sys.argv[1])):
            living = Deferred.fromCoroutine(crowd.live())
            living.addErrback(lambda reason: sys.stderr.write(reason.getTraceback()))
        LoopingCall(crowd.report).start(1.0, now=False)

    reactor.callWhenRunning(begin)
    reactor.run()


if __name__ == "__main__":
    main()
