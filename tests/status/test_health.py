# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.health}, and for the conditions of a node.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Factory

from tests.status.paging import PageTestCase
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.protocols.echo import PROTOCOL_ID, Echo, EchoFactory


class HealthTests(PageTestCase):
    """
    The answers to programs that watch a node.
    """

    def ready(self) -> tuple[int, str]:
        """
        Ask whether the node is ready.

        @return: the status, and the body.
        """
        code, headers, body = self.browse().ask("/readyz")
        self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
        return code, body

    def test_healthy(self) -> None:
        """
        The program answers, but not to other web sites.
        """
        self.assertEqual(self.browse().ask("/healthz")[::2], (200, "ok\n"))
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.browse().ask(path, "evil.example")[0], 403)

    def test_ready(self) -> None:
        """
        A node that runs is ready.
        """
        self.assertEqual(
            self.ready(),
            (
                200,
                f"ok listening: on {self.node.listeners.requested[0]}\n"
                "ok peerstore: loaded\n"
                "ok life: running\n",
            ),
        )

    def test_draining(self) -> None:
        """
        A node that drains is not ready.
        """
        self.node.registry.register(PROTOCOL_ID, EchoFactory())
        near, _ = self.nodes.connect(self.nodes.start(), self.node)
        self.nodes.result(near.openStream(PROTOCOL_ID, Factory.forProtocol(Echo)))
        self.node.drain(60.0)
        code, body = self.ready()
        self.assertEqual(code, 503)
        self.assertIn("no life: draining\n", body)

    def test_peerstore(self) -> None:
        """
        A node is not ready before its peerstore has loaded, and says why it cannot.
        """
        waiting: list[Deferred[None]] = []

        def loading() -> Deferred[None]:
            one: Deferred[None] = Deferred(waiting.remove)
            waiting.append(one)
            return one

        def failing() -> Deferred[None]:
            return fail(ConfigurationError("peerstore postgresql:: no route to host"))

        for whenLoaded, reason in (
            (loading, "not loaded yet"),
            (failing, "peerstore postgresql:: no route to host"),
        ):
            self.patch(self.node.peerstore, "whenLoaded", whenLoaded)
            code, body = self.ready()
            self.assertEqual(code, 503)
            self.assertIn(f"no peerstore: {reason}\n", body)
        self.assertEqual(waiting, [])

    def test_listening(self) -> None:
        """
        A node is not ready before it listens on each address that it was made with.
        """
        node: Any = self.node
        node.listeners.requested.append(node.listeners.parse("/memory/99"))
        code, body = self.ready()
        given = node.listeners.requested[0]
        self.assertEqual(code, 503)
        self.assertEqual(
            body.splitlines()[0], f"no listening: on {given}; not yet on /memory/99"
        )
        self.nodes.result(node.listenOn("/memory/99"))
        self.assertEqual(self.ready()[0], 200)

    def test_listeningNowhere(self) -> None:
        """
        A node that was made to listen nowhere is ready.
        """
        conditions = self.nodes.start(listen=[]).conditions()
        self.assertTrue(all(each.met for each in conditions))
        self.assertEqual(conditions[0].detail, "on no address, as none was given")
