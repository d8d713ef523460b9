# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a node in a program: started and stopped by C{async with}.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from twisted_libp2p.errors import ConnectionClosing, NodeStopping
from twisted_libp2p.node import Node
from twisted_libp2p.node.life import Life
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport


class StoppableClock(Clock):
    """
    A clock with the triggers of a reactor.

    @ivar triggers: the functions to call before it stops.
    """

    def __init__(self) -> None:
        super().__init__()
        directlyProvides(self, IReactorCore)
        self.triggers: list[Callable[[], Any]] = []

    def addSystemEventTrigger(
        self, phase: str, event: str, function: Callable[[], Any]
    ) -> Callable[[], Any]:
        """
        Add a function to call before the end.
        """
        assert (phase, event) == ("before", "shutdown")
        self.triggers.append(function)
        return function

    def removeSystemEventTrigger(self, trigger: Callable[[], Any]) -> None:
        """
        Remove such a function.
        """
        self.triggers.remove(trigger)

    def stop(self) -> None:
        """
        Stop, as Ctrl-C does.
        """
        triggers, self.triggers = self.triggers, []
        for each in triggers:
            each()
        self.advance(0)


class ProgramTests(SynchronousTestCase):
    """
    A block has a node that listens, and leaves none.
    """

    def setUp(self) -> None:
        """
        Have a reactor and a network.
        """
        self.clock = StoppableClock()
        self.network = MemoryNetwork(self.clock)

    def node(self, *listen: str, **options: Any) -> Node:
        """
        Make a node.
        """
        transports = [MemoryTransport(self.network)]
        return Node(self.clock, listen=listen, transports=transports, **options)

    def run_(self, program: Any) -> Deferred[Any]:
        """
        Begin a program.
        """
        running: Deferred[Any] = Deferred.fromCoroutine(program)
        self.clock.advance(0)
        return running

    def test_block(self) -> None:
        """
        In the block the node runs and listens; after it, nothing is left.
        """
        node = self.node("/memory/7")
        seen = []

        async def program() -> str:
            async with node as entered:
                seen.append((entered is node, node.life, len(node.addresses)))
            return "end"

        running = self.run_(program())
        self.clock.advance(3)
        self.assertEqual(self.successResultOf(running), "end")
        self.assertEqual(seen, [(True, Life.RUNNING, 1)])
        self.assertIs(node.life, Life.STOPPED)
        self.assertEqual(self.clock.triggers, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_error(self) -> None:
        """
        An error of the block stops the node, and is raised.
        """
        node = self.node("/memory/7")

        async def program() -> None:
            async with node:
                raise ConnectionClosing("as tested")

        running = self.run_(program())
        self.failureResultOf(running, ConnectionClosing)
        self.assertIs(node.life, Life.STOPPED)

    def test_interrupt(self) -> None:
        """
        When the reactor stops, the node stops, and the program goes on after
        C{whenStopped}.
        """
        node = self.node("/memory/7")

        async def program() -> str:
            async with node:
                await node.whenStopped()
            return "end"

        running = self.run_(program())
        self.assertNoResult(running)
        self.clock.stop()
        self.assertEqual(self.successResultOf(running), "end")
        self.assertIs(node.life, Life.STOPPED)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_interrupted(self) -> None:
        """
        An error that follows from the interrupt is dropped; another one is not.
        """
        for error, kept in ((CancelledError(), False), (ValueError("mine"), True)):
            node = self.node("/memory/7")

            async def program(node: Node = node, error: Exception = error) -> None:
                async with node:
                    await node.whenStopped()
                    raise error

            running = self.run_(program())
            self.clock.stop()
            if kept:
                self.failureResultOf(running, type(error))
            else:
                self.assertIsNone(self.successResultOf(running))

    def test_dropped(self) -> None:
        """
        A program that waits for something else when the reactor stops is dropped
        without an error.
        """
        node = self.node("/memory/7")
        entered = []

        async def program() -> None:
            async with node:
                entered.append(True)
                await Deferred()

        running = self.run_(program())
        self.assertTrue(entered)
        self.clock.stop()
        self.assertIs(node.life, Life.STOPPED)
        del running
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_strict(self) -> None:
        """
        An address that cannot be listened on is an error, and the node is stopped.
        """
        taken = self.node("/memory/7")
        taken.startService()
        self.addCleanup(taken.stopService)
        node = self.node("/memory/7", "/memory/8")

        async def program() -> None:
            async with node:
                self.fail("not reached")

        running = self.run_(program())
        self.failureResultOf(running, OSError, Exception)
        self.assertIs(node.life, Life.STOPPED)
        self.assertEqual(self.clock.triggers, [])

    def test_notStrict(self) -> None:
        """
        A node that is not strict goes on without that address.
        """
        taken = self.node("/memory/7")
        taken.startService()
        self.addCleanup(taken.stopService)
        node = self.node("/memory/7", "/memory/8", strict=False)

        async def program() -> list[str]:
            async with node:
                return [str(each.withoutPeer()) for each in node.addresses]

        running = self.run_(program())
        self.assertEqual(self.successResultOf(running), ["/memory/8"])

    def test_interruptedStart(self) -> None:
        """
        A node that is interrupted as it starts is not entered, strict or not.
        """
        for strict in (True, False):
            node = self.node("/memory/7", strict=strict)
            opening: Deferred[Any] = Deferred()
            self.patch(node.listeners, "_listen", lambda *_, it=opening: it)

            async def program(node: Node = node) -> None:
                async with node:
                    self.fail("not reached")

            running = self.run_(program())
            self.clock.stop()
            self.failureResultOf(running, NodeStopping, CancelledError)
            self.assertIs(node.life, Life.STOPPED)
            opening.addErrback(lambda _: None)

    def test_clockOnly(self) -> None:
        """
        A reactor of tests, which never stops, needs no trigger.
        """
        clock = Clock()
        transports = [MemoryTransport(MemoryNetwork(clock))]
        node = Node(clock, listen="/memory/1", transports=transports)

        async def program() -> int:
            async with node:
                return len(node.addresses)

        running = self.run_(program())
        self.assertEqual(self.successResultOf(running), 1)
