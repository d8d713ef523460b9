# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.options.topics}.
"""

from __future__ import annotations

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.discovery.bootstrap import Bootstrap
from twisted_libp2p.discovery.meeting import DialFound
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.options import ToolOptions
from twisted_libp2p.options.daemon import Options
from twisted_libp2p.pubsub import PubSub, SignaturePolicy
from twisted_libp2p.pubsub.topiclog import TopicLog


class ServiceTests(SynchronousTestCase):
    """
    Options of C{twist libp2p}.
    """

    def services(self, *arguments: str) -> list[object]:
        """
        Return the services of a command line.
        """
        options = Options()
        options.parseOptions(arguments)
        return list(options.pubsub())

    def test_services(self) -> None:
        """
        A node speaks pubsub, and joins topics, if it is asked to.
        """
        self.assertEqual(self.services(), [])
        (service,) = self.services("--pubsub", "--unsigned")
        assert isinstance(service, PubSub)
        self.assertEqual(service.profile.policy, SignaturePolicy.STRICT_NO_SIGN)
        service, log = self.services("--pubsub", "--subscribe", "news")
        assert isinstance(service, PubSub)
        self.assertEqual(service.profile.policy, SignaturePolicy.STRICT_SIGN)
        self.assertIsInstance(log, TopicLog)

    def test_wrong(self) -> None:
        """
        A mistake is a line.
        """
        for arguments, words in (
            (("--subscribe", "news"), "--subscribe needs --pubsub"),
            (("--unsigned",), "--unsigned needs --pubsub"),
            (("--pubsub", "--subscribe", "n" * 1025), "a name of 1 to 1024 bytes"),
            (("--pubsub", "--subscribe", "\udcff"), "a name of 1 to 1024 bytes"),
        ):
            error = self.assertRaises(ConfigurationError, self.services, *arguments)
            self.assertIn(words, str(error))


class ToolTests(SynchronousTestCase):
    """
    Options of C{libp2p publish} and C{subscribe}.
    """

    def test_services(self) -> None:
        """
        A tool stays connected to its peers, and dials those of its network.
        """
        options = ToolOptions()
        peer = f"/ip4/192.0.2.1/tcp/1/p2p/{Identity.generate().peerID}"
        options.parseOptions(["subscribe", "news", "--bootstrap", peer, "--mdns"])
        kinds = {type(each) for each in options.subOptions.services(None)}
        self.assertLessEqual({Bootstrap, DialFound}, kinds)

    def test_wrong(self) -> None:
        """
        A mistake is a line.
        """
        for arguments, words in (
            (["publish"], "TOPIC is missing: libp2p publish [options] TOPIC"),
            (["publish", "news"], "no way to a peer: give --bootstrap ADDRESS"),
            (["publish", ""], "a topic needs a name of 1 to 1024 bytes"),
            (["subscribe", "\udcff"], "a topic needs a name of 1 to 1024 bytes"),
            (["subscribe", "a", "--bootstrap", "/ip4/192.0.2.1/tcp/1"], "/p2p/"),
            (["subscribe", "a", "--count", "0"], "whole number from 1 up"),
        ):
            error = self.assertRaises(UsageError, ToolOptions().parseOptions, arguments)
            self.assertIn(words, str(error))
