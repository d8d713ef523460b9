# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the limits, and of how they fit a machine.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.limits import limits as scaling
from twisted_libp2p.limits.limits import MIB, UNLIMITED, Limits

GIB = 1024 * MIB


class ScaledTests(SynchronousTestCase):
    """
    Limits that fit the machine.
    """

    def machine(self, memory: int, descriptors: int) -> Limits:
        """
        Pretend to be on some machine.
        """
        self.patch(scaling, "machineMemory", lambda: memory)
        self.patch(scaling, "machineDescriptors", lambda: descriptors)
        return Limits.scaled()

    def test_server(self) -> None:
        """
        Half of the descriptors, if there is memory for so many connections; an
        eighth of the memory.
        """
        limits = self.machine(32 * GIB, 20_000)
        self.assertEqual(limits.system.connections, 10_000)
        self.assertEqual(limits.system.inboundConnections, 7_500)
        self.assertEqual(limits.system.memory, 4 * GIB)
        self.assertEqual(limits.system.streams, 65_536)
        self.assertEqual(limits.transient.connections, 2_500)

    def test_littleMemory(self) -> None:
        """
        A connection for each 64 KiB, if the descriptors would allow more.
        """
        limits = self.machine(2 * GIB, 1_000_000)
        self.assertEqual(limits.system.memory, 256 * MIB)
        self.assertEqual(limits.system.connections, 4096)

    def test_littleOfAll(self) -> None:
        """
        Connections and upgrades leave descriptors for other files, and buffers
        leave memory for the rest of the program, however little there is.
        """
        for memory, descriptors in (
            (256 * MIB, 256),
            (64 * MIB, 64),
            (GIB, 64),
            (32 * MIB, 1024),
            (8 * MIB, 16),
            (1024 * GIB, 4),
        ):
            limits = self.machine(memory, descriptors)
            taken = limits.system.connections + limits.transient.connections
            self.assertLessEqual(taken, descriptors * 3 // 4)
            self.assertEqual(limits.system.memory, memory // 8)
            # What new streams may hold, and what windows may grow.
            held = limits.system.streams * 256 * 1024 + limits.system.memory
            self.assertLess(held, memory)
        limits = self.machine(GIB, 64)
        self.assertEqual(limits.system.connections, 32)
        self.assertEqual(limits.system.inboundConnections, 24)
        self.assertEqual(limits.transient.connections, 16)

    def test_shares(self) -> None:
        """
        No peer, and no address, has more than an eighth of what all peers
        together may have, and no site more than a quarter, whatever the size of
        the machine; two connections are always allowed.
        """
        for memory in (64 * MIB, 256 * MIB, GIB, 4 * GIB, 64 * GIB, 1024 * GIB):
            for descriptors in (64, 256, 1024, 20_000, 1 << 20):
                limits = self.machine(memory, descriptors)
                system, peer = limits.system, limits.peer
                eighth = system.inboundConnections / 8
                self.assertLessEqual(peer.connections, max(eighth, 2))
                self.assertLessEqual(peer.inboundConnections, max(eighth, 2))
                self.assertLessEqual(peer.streams, system.streams / 8)
                self.assertLessEqual(peer.inboundStreams, system.inboundStreams / 8)
                self.assertLessEqual(peer.memory, system.memory / 8)
                # A scope that all share is never one of a single peer.
                self.assertLess(peer.inboundStreams, limits.transient.streams / 2)
                self.assertLess(peer.inboundStreams, limits.protocol.inboundStreams / 2)
                for subnet in limits.subnets:
                    parts = 4 if subnet.prefix == 48 else 8
                    self.assertLessEqual(
                        subnet.connections,
                        max(system.inboundConnections / parts, 2),
                    )
                    self.assertLessEqual(subnet.streams, system.inboundStreams / parts)
                    self.assertLessEqual(subnet.memory, system.memory / parts)
        limits = self.machine(32 * GIB, 20_000)
        self.assertEqual(limits.peer, (8, 8, 1024, 512, 64 * MIB))
        self.assertEqual([each.connections for each in limits.subnets], [8, 8, 64])

    def test_chosen(self) -> None:
        """
        The hard cap and the memory can be chosen.
        """
        limits = Limits.scaled(connections=20, memory=512 * MIB)
        self.assertEqual(limits.system.connections, 20)
        self.assertEqual(limits.system.inboundConnections, 15)
        self.assertEqual(limits.system.memory, 512 * MIB)
        self.assertEqual(Limits.scaled(connections=1).system.inboundConnections, 1)

    def test_noConnection(self) -> None:
        """
        A node without connections is none.
        """
        self.assertRaises(ConfigurationError, Limits.scaled, connections=0)

    def test_none(self) -> None:
        """
        There is a way to have no limits.
        """
        limits = Limits.none()
        self.assertEqual(set(limits.system), {UNLIMITED})
        self.assertEqual(list(limits.subnets), [])
