# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of proxies, as users name them.
"""

from __future__ import annotations

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IProxy
from twisted_libp2p.node import Node
from twisted_libp2p.transport.proxy import Proxy
from twisted_libp2p.transport.proxy.opening import Credentials


class ProxyTests(SynchronousTestCase):
    """
    Tests for L{Proxy}.
    """

    def test_texts(self) -> None:
        """
        A proxy has a kind, a place and perhaps a user; its text has no password.
        """
        login = Credentials("me", "p@ss")
        for text, description, credentials in (
            ("socks5://127.0.0.1:9050", "tcp:127.0.0.1:9050", None),
            ("socks5://me:p%40ss@p.example", "tcp:p.example:1080", login),
            ("socks5h://[::1]:1", "tcp:\\:\\:1:1", None),
            ("socks5:unix:/run/tor/socks", "unix:/run/tor/socks", None),
            ("http://p.example", "tcp:p.example:80", None),
            ("http://me:p%40ss@p.example:3128/", "tcp:p.example:3128", login),
            ("https://p.example", "tls:p.example:443", None),
        ):
            proxy = Proxy.of(text, "--dial-through")
            self.assertEqual(proxy.description, description)
            self.assertEqual(proxy.credentials, credentials)
            proxy.check(reactor, "--dial-through")
            verifyObject(IProxy, proxy)
            for shown in (str(proxy), repr(proxy)):
                self.assertNotIn("ss@", shown)

    def test_wrong(self) -> None:
        """
        A wrong text is a line, which has no password.
        """
        for text in (
            "",
            "socks5",
            "socks5:",
            "socks4://127.0.0.1:1080",
            "127.0.0.1:1080",
            "socks5://",
            "socks5://me:secret@",
            "socks5://me:secret@h:port",
            "http://me:secret@h:1/path",
            "socks5:nothing:secret",
            "ftp://me:secret@h",
        ):
            error = self.assertRaises(
                ConfigurationError, Node, reactor, dialThrough=text
            )
            self.assertIn("--dial-through", str(error))
            self.assertIn("socks5://127.0.0.1:9050", str(error))
            self.assertNotIn("me:secret", str(error))
        self.assertRaises(ConfigurationError, Node, reactor, dialThrough=7)
