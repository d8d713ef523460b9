# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
AMP and Perspective Broker over libp2p, both with calls back to the client:

    python calc.py serve LISTEN              python calc.py ask ADDRESS
"""

import sys
from typing import Any

from twisted.internet.task import react
from twisted.protocols.amp import AMP, Command, Integer, Unicode
from twisted.spread import pb

from twisted_libp2p import Identity, Node, PeerAddress, PeerID
from twisted_libp2p.pb import PeerRoot, PeerRootFactory, openRoot


class Sum(Command):
    arguments = [(b"a", Integer()), (b"b", Integer())]
    response = [(b"total", Integer())]
    errors = {OverflowError: b"OVERFLOW"}


class Notice(Command):
    arguments = [(b"text", Unicode())]


class Calculator(AMP):
    @Sum.responder
    def sum(self, a: int, b: int) -> dict[str, int]:
        if a + b > 1000:
            raise OverflowError("too much for me")
        peer = PeerAddress.of(self.transport).peerID.short()
        self.callRemote(Notice, text=f"computed for {peer}")
        return {"total": a + b}


class Student(AMP):
    @Notice.responder
    def notice(self, text: str) -> dict[str, str]:
        print("notice:", text)
        return {}


class Teller(PeerRoot):
    balances: dict[PeerID, int] = {}

    def remote_deposit(self, amount: int, watcher: pb.RemoteReference) -> int:
        self.balances[self.peer] = balance = self.balances.get(self.peer, 0) + amount
        watcher.callRemote("changed", balance)
        return balance


class Watcher(pb.Referenceable):
    def remote_changed(self, balance: int) -> None:
        print("watcher: balance is", balance)


async def serve(reactor: Any, listen: str) -> None:
    async with Node(reactor, Identity.fromFile("calc.key"), listen) as node:
        node.serve("/calc/amp/1.0.0", Calculator)
        node.serve("/calc/pb/1.0.0", PeerRootFactory(Teller))
        print("listening on", node.addresses[0], flush=True)
        await node.whenStopped()


async def ask(reactor: Any, address: str) -> None:
    async with Node(reactor) as node:
        student = await node.openStream(address, "/calc/amp/1.0.0", Student)
        print("1 + 2 =", (await student.callRemote(Sum, a=1, b=2))["total"])
        try:
            await student.callRemote(Sum, a=999, b=2)
        except OverflowError as error:
            print("as expected:", error)
        teller = await openRoot(node, address, "/calc/pb/1.0.0")
        for amount in (10, 5):
            print("balance", await teller.callRemote("deposit", amount, Watcher()))


if __name__ == "__main__":
    react({"serve": serve, "ask": ask}[sys.argv[1]], sys.argv[2:])
