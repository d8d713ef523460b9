# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the registry of application protocols.
"""

from __future__ import annotations

from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connection.registry import Registry
from twisted_libp2p.errors import ConfigurationError


class RegistryTests(SynchronousTestCase):
    """
    Who serves which protocol id.
    """

    def setUp(self) -> None:
        """
        Make a registry and two factories.
        """
        self.registry = Registry()
        self.one, self.two = Factory(), Factory()

    def test_exact(self) -> None:
        """
        SD-15, SD-28: an id is matched literally by default.
        """
        self.registry.register("/a/1.0.0", self.one)
        self.assertIs(self.registry.lookup("/a/1.0.0"), self.one)
        for other in ("/a/1.0.1", "/a", "/a/1.0.0/", "/A/1.0.0"):
            self.assertIsNone(self.registry.lookup(other))

    def test_several(self) -> None:
        """
        SD-28: one factory serves several versions.
        """
        self.registry.register(["/a/1", "/a/2"], self.one)
        self.assertIs(self.registry.lookup("/a/1"), self.one)
        self.assertIs(self.registry.lookup("/a/2"), self.one)
        self.assertEqual(self.registry.protocols(), ("/a/1", "/a/2"))

    def test_match(self) -> None:
        """
        SD-15: a function may decide; literal ids come first, then functions
        in the order of their registration.
        """
        self.registry.register(lambda name: name.startswith("/a/"), self.one)
        self.registry.register(lambda name: True, self.two)
        self.registry.register("/a/literal", self.two)
        self.assertIs(self.registry.lookup("/a/7"), self.one)
        self.assertIs(self.registry.lookup("/b"), self.two)
        self.assertIs(self.registry.lookup("/a/literal"), self.two)
        self.assertEqual(self.registry.protocols(), ("/a/literal",))

    def test_cancel(self) -> None:
        """
        What is cancelled is served no more, and may be served anew.
        """
        exact = self.registry.register(["/a", "/b"], self.one)
        matching = self.registry.register(lambda name: True, self.two)
        exact.cancel()
        exact.cancel()
        self.assertIs(self.registry.lookup("/a"), self.two)
        matching.cancel()
        self.assertIsNone(self.registry.lookup("/a"))
        self.registry.register("/a", self.two)
        self.assertIs(self.registry.lookup("/a"), self.two)

    def test_taken(self) -> None:
        """
        An id is served by one factory; the others of a refused registration
        are not taken either.
        """
        self.registry.register("/a", self.one)
        error = self.assertRaises(
            ConfigurationError, self.registry.register, ["/b", "/a"], self.two
        )
        self.assertIn("/a", str(error))
        self.assertIsNone(self.registry.lookup("/b"))

    def test_noProtocolID(self) -> None:
        """
        What cannot be proposed cannot be registered.
        """
        for bad in ("", "/a\nb", "/" + "x" * 1023, "na", "ls", "/multistream/1.0.0"):
            self.assertRaises(ConfigurationError, self.registry.register, bad, self.one)
        self.assertRaises(ConfigurationError, self.registry.register, [], self.one)

    def test_watch(self) -> None:
        """
        Watchers hear of every change.
        """
        heard: list[tuple[str, ...]] = []
        self.registry.watch(lambda: heard.append(self.registry.protocols()))
        self.registry.register("/a", self.one).cancel()
        self.assertEqual(heard, [("/a",), ()])

    def test_twice(self) -> None:
        """
        An id that is given twice is served once, and its end is an end.
        """
        registration = self.registry.register(["/a", "/b", "/a"], self.one)
        self.assertEqual(self.registry.protocols(), ("/a", "/b"))
        registration.cancel()
        registration.cancel()
        self.assertEqual(self.registry.protocols(), ())
        self.registry.register("/a", self.two)

    def test_failingMatch(self) -> None:
        """
        A match function that raises does not match; the next one is asked.
        """

        def fail(name: str) -> bool:
            raise RuntimeError("on purpose")

        self.registry.register(fail, self.one)
        self.registry.register(lambda name: True, self.two)
        self.assertIs(self.registry.lookup("/a"), self.two)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_cancelInsideMatch(self) -> None:
        """
        A match function may cancel its own registration; no other one is skipped.
        """

        def once(name: str) -> bool:
            first.cancel()
            return False

        first = self.registry.register(once, self.one)
        self.registry.register(lambda name: True, self.two)
        self.assertIs(self.registry.lookup("/a"), self.two)

    def test_failingWatcher(self) -> None:
        """
        A watcher that raises keeps no other one from its call, nor the caller from
        the registration.
        """
        calls: list[int] = []

        def fail() -> None:
            raise RuntimeError("on purpose")

        self.registry.watch(fail)
        self.registry.watch(lambda: calls.append(1))
        self.registry.register("/a", self.one).cancel()
        self.assertEqual(calls, [1, 1])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_unsendable(self) -> None:
        """
        What cannot be sent cannot be served: one line says why.
        """
        for wrong in (b"/a", [b"/a"], "/half\ud800", [None], 7, [["/a"]], []):
            error = self.assertRaises(
                ConfigurationError,
                self.registry.register,
                wrong,
                self.one,
            )
            self.assertNotIn("\n", str(error))
        self.assertEqual(self.registry.protocols(), ())
