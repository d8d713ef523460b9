# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.workers.settings} and L{twisted_libp2p.workers.channel}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.transport.inherited import InheritedSocket
from twisted_libp2p.workers.channel import Channel, packed
from twisted_libp2p.workers.settings import VARIABLE, WorkerSettings


class ChannelTests(SynchronousTestCase):
    """
    Messages on a pipe.
    """

    def test_split(self) -> None:
        """
        They arrive in any pieces.
        """
        found: list[Any] = []
        channel = Channel(found.append)
        messages: list[dict[str, Any]] = [{"ready": ["é"]}, {"answer": 1, "is": None}]
        for byte in b"".join(packed(each) for each in messages):
            channel.dataReceived(bytes([byte]))
        self.assertEqual(found, messages)


class SettingsTests(SynchronousTestCase):
    """
    The settings of a worker, which come through its pipe.
    """

    def setUp(self) -> None:
        """
        Make the pipe.
        """
        self.orders, self.write = os.pipe()
        self.addCleanup(os.close, self.orders)

    def read(self) -> WorkerSettings | None:
        """
        Read the settings.
        """
        environment = {VARIABLE: str(self.orders)}
        try:
            return WorkerSettings.ofEnvironment(environment)
        finally:
            self.assertEqual(environment, {})

    def test_settings(self) -> None:
        """
        A worker gets what its supervisor has sent, and the pipe is not inherited by
        other programs.
        """
        identity = Identity.generate()
        sent = WorkerSettings(
            number=2,
            key=identity.privateKey.toBytes(),
            listen=("/ip4/127.0.0.1/tcp/0",),
            sockets=(InheritedSocket(self.write, "127.0.0.1", 4001, "tcp", 0),),
            orders=self.orders,
            reports=self.write,
        )
        os.set_inheritable(self.write, True)
        os.write(self.write, sent.toBytes())
        os.write(self.write, packed({"leave": "one"}))
        found = self.read()
        assert found is not None
        self.assertEqual(found, sent)
        self.assertEqual(found.identity.peerID, identity.peerID)
        self.assertFalse(os.get_inheritable(self.write))
        # The orders after that are still there.
        self.assertEqual(os.read(self.orders, 99), packed({"leave": "one"}))
        os.close(self.write)

    def test_none(self) -> None:
        """
        Any other process has none.
        """
        self.assertIsNone(WorkerSettings.ofEnvironment({}))
        os.close(self.write)

    def test_noSupervisor(self) -> None:
        """
        A variable without a supervisor is an error of one line.
        """
        os.write(self.write, b"\0\0\0\2{}")
        self.assertIn("'number'", self.problem())
        os.close(self.write)
        self.assertIn("its pipe has ended", self.problem())
        for value in ("x", "99999"):
            error = self.assertRaises(
                ConfigurationError, WorkerSettings.ofEnvironment, {VARIABLE: value}
            )
            self.assertIn(VARIABLE, str(error))

    def problem(self) -> str:
        """
        Return the error.
        """
        return str(self.assertRaises(ConfigurationError, self.read))
