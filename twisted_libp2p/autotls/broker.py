# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The broker: it publishes the proof of a peer in the DNS, after the peer has proven its
id by HTTP, and was dialed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from http.cookiejar import CookieJar
from typing import Any, Final

from twisted.web.client import CookieAgent
from twisted.web.iweb import IAgent

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.autotls.client import Client
from twisted_libp2p.errors import NoCertificate
from twisted_libp2p.identity import Identity
from twisted_libp2p.printable import printable
from twisted_libp2p.web.auth import PeerIDAgent

__all__ = ["Broker"]

#: Maximum number of addresses at which the broker is asked to dial this node.
MAX_ADDRESSES: Final = 16

_PATH: Final = "/v1/_acme-challenge"


class Broker:
    """
    Asks a broker.
    """

    def __init__(self, clock: Any, agent: IAgent, identity: Identity, url: str) -> None:
        """
        @param clock: runs the deadline.
        @param agent: sends the requests.
        @param identity: our key.
        @param url: the URL of the broker, without a path.
        """
        self._clock = clock
        self._agent = agent
        self._identity = identity
        self._url = url

    async def publish(self, value: str, addresses: Iterable[Multiaddr]) -> None:
        """
        Have a TXT record published.

        @param value: its content.
        @param addresses: the addresses at which the broker may dial this node.
        @raise NoCertificate: the broker refuses, or does not answer.
        """
        # Its balancer sends all requests of a handshake to one server, by a cookie.
        agent = PeerIDAgent(CookieAgent(self._agent, CookieJar()), self._identity)
        client = Client(self._clock, agent)
        body = {
            "value": value,
            "addresses": [str(each) for each in addresses][:MAX_ADDRESSES],
        }
        answer = await client.send(
            b"POST",
            f"{self._url}{_PATH}",
            json.dumps(body).encode(),
            "application/json",
        )
        if answer.status != 200:
            said = printable(answer.body.decode("utf-8", "replace"))
            raise NoCertificate(
                f"the broker answers with status {answer.status}: {said}"
            )
