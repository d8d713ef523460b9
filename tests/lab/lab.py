# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A laboratory: sites, routers, the hosts behind them, and the wire.
"""

from __future__ import annotations

from typing import Any

from tests.lab.conntrack import forgetConnections
from tests.lab.nat import FIREWALL, NAT
from tests.lab.space import Space
from tests.lab.wire import Link, Wire

__all__ = ["Lab", "Router"]

#: The place of a router that stands on the wire itself.
WIRE = None


class Router(Space):
    """
    A router.

    @ivar wan: its public address; that of an inner router is one of the outer's LAN.
    @ivar lan: the first three numbers of the addresses behind it, such as C{10.1.0}.
    @ivar prefix: the beginning of the IPv6 addresses behind it, such as C{2a01:1::};
        None without IPv6.
    @ivar nat: its kind.
    """

    def __init__(
        self, name: str, wan: str, lan: str, nat: NAT, prefix: str | None
    ) -> None:
        super().__init__(name)
        self.wan = wan
        self.lan = lan
        self.nat = nat
        self.prefix = prefix
        self.hosts = 0

    def start(self) -> None:
        """
        Set up the network behind it, and its rules.  It has its public interface,
        C{wan}, by now.
        """
        self.set("net.ipv4.ip_forward", 1)
        self.run("ip link add lan type bridge forward_delay 0")
        self.run(f"ip address add {self.lan}.1/24 dev lan")
        self.run("ip link set lan up")
        self.become(self.nat)
        if self.prefix is not None:
            self.set("net.ipv6.conf.all.forwarding", 1)
            self.run(f"ip address add {self.prefix}1/64 dev lan nodad")
            self.run("nft -f -", FIREWALL)

    def become(self, nat: NAT) -> None:
        """
        Take other rules, and forget all mappings, as after a restart.
        """
        self.nat = nat
        # A table has to exist to be deleted.
        forget = "table ip router\ndelete table ip router\n"
        self.run("nft -f -", forget + nat.rules(self.wan))
        with self.entered():
            forgetConnections()


class Lab:
    """
    A small internet.

    @ivar wire: the wire between all sites and routers.
    """

    def __init__(self, reactor: Any, seed: int = 0) -> None:
        """
        @param seed: the beginning of the random numbers of the wire.
        """
        self.wire = Wire(reactor, seed)
        self._spaces: list[Space] = []

    def site(self, name: str, *addresses: str, link: Link | None = None) -> Space:
        """
        Make a host on the wire.

        @param addresses: its public addresses, of IPv4 and IPv6.
        """
        space = self._keep(Space(name))
        self._plug(space, addresses, link)
        return space

    def router(
        self,
        name: str,
        wan: str,
        lan: str,
        nat: NAT | None = None,
        *,
        prefix: str | None = None,
        link: Link | None = None,
        outer: Router | None = WIRE,
    ) -> Router:
        """
        Make a router.

        @param wan: its public address, or its address in the network of C{outer}.
        @param lan: as for L{Router.lan}.
        @param prefix: as for L{Router.prefix}.
        @param outer: the router that it stands behind; None for the wire.
        """
        router = Router(name, wan, lan, nat or NAT(), prefix)
        self._keep(router)
        if outer is None:
            self._plug(router, [wan], link)
        else:
            self._join(router, "wan", wan, outer)
        router.start()
        return router

    def host(self, router: Router, name: str | None = None) -> Space:
        """
        Make a host behind a router.  The first one has the addresses that end in 2, the
        next one in 3.
        """
        router.hosts += 1
        number = router.hosts + 1
        space = self._keep(Space(name or f"{router.name}.{number}"))
        self._join(space, "eth0", f"{router.lan}.{number}", router)
        if router.prefix is not None:
            address = f"{router.prefix}{number}"
            space.run(f"ip address add {address}/64 dev eth0 nodad")
            space.run(f"ip -6 route add default via {router.prefix}1")
            self.wire.route(address, router.wan)
        return space

    def close(self) -> None:
        """
        End the wire, and leave the namespaces.
        """
        self.wire.cut()
        for each in self._spaces:
            each.close()
        self._spaces.clear()

    def _keep(self, space: Space) -> Space:
        self._spaces.append(space)
        return space

    def _plug(self, space: Space, addresses: Any, link: Link | None) -> None:
        """
        Connect a namespace to the wire.
        """
        file = space.tun("wan")
        for each in addresses:
            space.run(f"ip address add {each} dev wan" + " nodad" * (":" in each))
        space.run("ip route add default dev wan")
        space.run("ip -6 route add default dev wan")
        self.wire.join(file, addresses, link or Link())

    def _join(self, space: Space, name: str, address: str, router: Router) -> None:
        """
        Connect a namespace to the network behind a router.
        """
        port = f"port{len(self._spaces)}"
        router.run(f"ip link add {port} type veth peer name {name} netns {space.path}")
        router.run(f"ip link set {port} master lan up")
        space.run(f"ip address add {address}/24 dev {name}")
        space.run(f"ip link set {name} up")
        space.run(f"ip route add default via {router.lan}.1")
