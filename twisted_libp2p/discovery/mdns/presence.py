# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The presence of a node on one link: its answers there, and its goodbye.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from twisted_libp2p.discovery.mdns.links import Link
from twisted_libp2p.discovery.mdns.packet import Advertisement, answer
from twisted_libp2p.discovery.mdns.schedule import AnswerTimes
from twisted_libp2p.interfaces import IHost

__all__ = ["Presence"]

#: The port that is stated where no address has one.
_NO_PORT: Final = 4001


class Presence:
    """
    Names the addresses of a node on a link.

    @ivar link: the link.
    @ivar questions: the number of our questions there.
    @ivar answers: the number of our answers there.
    @ivar heard: the number of packets of others there.
    @ivar lastHeard: the time of the last of them; None if there was none.
    """

    def __init__(
        self,
        host: IHost,
        link: Link,
        service: bytes,
        label: bytes,
        send: Callable[[bytes, Link], None],
        random: Callable[[], float],
    ) -> None:
        """
        Begin without an answer.

        @param host: the node.
        @param link: the link.
        @param service: the name of the service.
        @param label: the random name of the node.
        @param send: sends a packet on a link.
        @param random: returns numbers from 0 to 1, which spread the answers.
        """
        self.link = link
        self.questions = 0
        self.answers = 0
        self.heard = 0
        self.lastHeard: float | None = None
        self._host = host
        self._service = service
        self._label = label
        self._packet = send
        self._times = AnswerTimes(random)
        self._answering: IDelayedCall | None = None
        # The last answer, unless it was taken back.
        self._advertised: Advertisement | None = None

    def send(self, question: bytes) -> None:
        """
        Send a question.
        """
        self.questions += 1
        self._packet(question, self.link)

    def answer(self) -> None:
        """
        Answer soon, unless an answer is on its way.
        """
        if self._answering is None:
            clock = self._host.clock
            delay = self._times.delay(clock.seconds())
            self._answering = clock.callLater(delay, self._advertise)

    def _advertise(self) -> None:
        """
        Name our addresses, or take the last ones back.
        """
        self._answering = None
        addresses = self.link.leading(self._host.addresses)
        if not addresses:
            self._sayGoodbye()
            return
        first = addresses[0]
        port = first.value("tcp") or first.value("udp")
        self.answers += 1
        self._times.answered(self._host.clock.seconds())
        self._advertised = Advertisement(
            self._service,
            self._label,
            addresses,
            self.link.hosts,
            int(port or _NO_PORT),
        )
        self._packet(answer(self._advertised), self.link)

    def _sayGoodbye(self) -> None:
        """
        Take back the named addresses.
        """
        advertised, self._advertised = self._advertised, None
        if advertised is not None:
            self._packet(answer(advertised, 0), self.link)

    def end(self) -> None:
        """
        Say goodbye, and answer no longer.
        """
        answering, self._answering = self._answering, None
        if answering is not None:
            answering.cancel()
        self._sayGoodbye()
