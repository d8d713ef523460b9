# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The choice of a DHT node to be a server or a client.
"""

from __future__ import annotations

from twisted_libp2p.dht.events import ServerModeChanged
from twisted_libp2p.dht.mode import DHTMode, reachable
from twisted_libp2p.dht.scope import DHTScope
from twisted_libp2p.dht.serving import Requests
from twisted_libp2p.events import ReachabilityChanged
from twisted_libp2p.interfaces import IHost, IRegistration, Reachability

__all__ = ["ServerSwitch"]


class ServerSwitch:
    """
    Serves while the mode and our addresses allow it.

    @ivar serving: whether this node is a server now.
    """

    serving = False
    _public = False
    _registration: IRegistration | None = None

    def __init__(
        self, host: IHost, mode: DHTMode, scope: DHTScope, requests: Requests
    ) -> None:
        """
        Begin as a client.

        @param host: the node.
        @param mode: whether to be a server.
        @param scope: the scope of the DHT.
        @param requests: serves.
        """
        self._host = host
        self.mode = mode
        self._scope = scope
        self._requests = requests

    def judged(self, event: ReachabilityChanged) -> None:
        """
        Take the verdict of other peers on this node.
        """
        self._public = event.reachability is Reachability.PUBLIC
        self.choose()

    def choose(self) -> None:
        """
        Become a server, or a client, as the mode and our addresses say.
        """
        self._serve(
            self.mode is DHTMode.SERVER
            or (
                self.mode is DHTMode.AUTO
                and (
                    self._public
                    or reachable(self._host.ownAddresses.all(), self._scope)
                )
            )
        )

    def stop(self) -> None:
        """
        Be a client.
        """
        self._serve(False)

    def _serve(self, serving: bool) -> None:
        if serving == self.serving:
            return
        self.serving = serving
        if serving:
            self._registration = self._requests.serve(self._host.registry)
        elif self._registration is not None:
            self._registration.cancel()
            self._registration = None
            self._requests.stop()
        self._host.events.publish(
            ServerModeChanged(time=self._host.clock.seconds(), server=serving)
        )
