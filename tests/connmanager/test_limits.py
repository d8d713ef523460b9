# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the limits, and of how they fit a machine.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connmanager import limits as scaling
from twisted_libp2p.connmanager import machine
from twisted_libp2p.connmanager.limits import MIB, UNLIMITED, Limits
from twisted_libp2p.errors import ConfigurationError

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
        The water marks fit even the smallest machine.
        """
        limits = self.machine(256 * MIB, 256)
        self.assertEqual(limits.system.connections, 256)
        self.assertEqual(limits.system.inboundConnections, 192)
        self.assertEqual(limits.system.streams, 2048)
        self.assertEqual(limits.system.memory, 128 * MIB)
        self.assertEqual(limits.transient.connections, 64)

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


class MachineTests(SynchronousTestCase):
    """
    What the system tells.
    """

    def test_memory(self) -> None:
        """
        The bound of a container counts if it is the lower one.
        """
        physical = machine.memory(Path(self.mktemp()))
        self.assertGreater(physical, MIB)
        for text, expected in (
            ("max\n", physical),
            ("1048576\n", MIB),
            (f"{physical * 2}\n", physical),
        ):
            path = Path(self.mktemp())
            path.write_text(text)
            self.assertEqual(machine.memory(path), expected)

    def test_memoryUnknown(self) -> None:
        """
        Where the system does not tell, something is assumed.
        """

        def sysconf(name: str) -> int:
            raise ValueError(name)

        self.patch(os, "sysconf", sysconf)
        path = Path(self.mktemp())
        self.assertEqual(machine.memory(path), machine.ASSUMED_MEMORY)

    def test_descriptors(self) -> None:
        """
        The soft limit counts; no limit is a large number; and where there is no
        such thing, something is assumed.
        """
        for soft, expected in ((100, 100), (resource.RLIM_INFINITY, 1 << 20)):
            self.patch(resource, "getrlimit", lambda what, soft=soft: (soft, -1))
            self.assertEqual(machine.descriptors(), expected)
        self.patch(machine, "resource", None)
        self.assertEqual(machine.descriptors(), machine.ASSUMED_DESCRIPTORS)
