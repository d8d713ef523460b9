# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connmanager.policy}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.logger import ILogObserver, globalLogPublisher

from tests.connmanager.managing import ManagerTestCase
from twisted_libp2p.connmanager import (
    ConnectionPolicy,
)
from twisted_libp2p.errors import (
    ConfigurationError,
)
from twisted_libp2p.limits import limits as scaling


class PolicyTests(ManagerTestCase):
    """
    The water marks fit the hard cap.
    """

    def test_invalid(self) -> None:
        """
        Marks that make no sense are an error of the configuration.
        """
        self.assertRaises(ConfigurationError, ConnectionPolicy, lowWater=5, highWater=4)
        self.assertRaises(ConfigurationError, ConnectionPolicy, lowWater=-1)
        self.assertRaises(ConfigurationError, ConnectionPolicy, interval=0)
        self.assertRaises(ConfigurationError, ConnectionPolicy, keepAlive=0)
        self.manage(policy=None)
        self.assertEqual(self.manager.policy.highWater, 12)
        self.assertEqual(self.manager.policy.lowWater, 10)
        error = self.assertRaises(
            ConfigurationError, self.manage, policy=ConnectionPolicy()
        )
        self.assertIn("192", str(error))
        self.assertIn("Limits.system.connections", str(error))

    def test_smallMachine(self) -> None:
        """
        On a machine with 64 descriptors the default marks fit the cap, and those
        that a program has chosen for any machine are lowered with a warning;
        both with and without a policy a node can be made.
        """
        self.patch(scaling, "machineDescriptors", lambda: 64)
        logged: list[Any] = []
        observer = cast(ILogObserver, logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.manage(limits=None, policy=None)
        marks = self.manager.policy
        self.assertEqual((marks.lowWater, marks.highWater), (26, 32))
        self.assertEqual(logged, [])
        self.manage(limits=None, policy=ConnectionPolicy(grace=5))
        marks = self.manager.policy
        self.assertEqual((marks.lowWater, marks.highWater, marks.grace), (26, 32, 5))
        self.assertEqual(len(logged), 1)
        self.manage(limits=None, policy=ConnectionPolicy(lowWater=1, highWater=2))
        self.assertEqual(self.manager.policy.highWater, 2)
        self.assertEqual(len(logged), 1)
