# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

import sys

from twisted.internet.task import react

from twisted_libp2p import Identity, Node

MOVED = "/moved/1.0.0"


async def greet(talk):
    await talk.write(f"hello, {talk.peer}\n".encode())


async def serve(reactor):
    former = Node(reactor, Identity.fromFile("old.key"), "/ip4/127.0.0.1/tcp/4001")
    current = Node(reactor, Identity.fromFile("new.key"), "/ip4/127.0.0.1/tcp/4002")
    async with former, current:
        former.answer(MOVED, lambda connection, _: str(current.addresses[0]).encode())
        for node in (former, current):
            node.serve("/greeting/1.0.0", greet)
            print("listening on", node.addresses[0], flush=True)
        await current.whenStopped()


async def ask(reactor, address):
    async with Node(reactor) as node:
        address = (await node.ask(address, MOVED, b"")).decode()
        print("moved to", address)
        async with node.open(address, "/greeting/1.0.0") as talk:
            print((await talk.readLine()).decode())


react({"serve": serve, "ask": ask}[sys.argv[1]], sys.argv[2:])
