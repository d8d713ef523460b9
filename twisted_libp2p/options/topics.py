# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of topics: of C{twist libp2p}, and of C{libp2p publish} and C{subscribe}.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from twisted.python.usage import UsageError

from twisted_libp2p.discovery.bootstraplist import bootstrapPeers
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IHostService
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.options.command import CommandOptions, seconds, whole
from twisted_libp2p.options.looking import AskingOptions
from twisted_libp2p.options.output import OutputOptions
from twisted_libp2p.transport.private import PrivateNetwork

with loadedOnUse():
    from twisted_libp2p import pubsub
    from twisted_libp2p.discovery import bootstrap, meeting

__all__ = ["PublishOptions", "SubscribeOptions", "TopicServiceOptions"]

#: Number of peers of the local network that a tool dials.
_FOUND = 8


class _PolicyOptions(CommandOptions):
    """
    The option that all nodes of a network of topics share.
    """

    optFlags: ClassVar[list[Any]] = [
        ["unsigned", None, "topics of a network whose messages have no authors"],
    ]

    def topics(self) -> pubsub.PubSub:
        """
        Make the service.
        """
        if not self["unsigned"]:
            return pubsub.PubSub()
        policy = pubsub.SignaturePolicy.STRICT_NO_SIGN
        profile = pubsub.Profile(policy=policy, messageID=pubsub.idOfContent)
        return pubsub.PubSub(profile)


class TopicServiceOptions(_PolicyOptions):
    """
    The topics of a node that runs as a service.
    """

    optFlags: ClassVar[list[Any]] = [
        ["pubsub", None, "publish and subscribe: speak gossipsub and floodsub"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["subscribe"] = []

    def opt_subscribe(self, topic: str) -> None:
        """
        join this topic with --pubsub, and log its messages; may be repeated
        """
        self["subscribe"].append(topic)

    def pubsub(self) -> Iterator[IHostService]:
        """
        Make the services.

        @raise ConfigurationError: an option has no usable value.
        """
        names = [pubsub.topicName(each) for each in self["subscribe"]]
        if not self["pubsub"]:
            for given in ("subscribe", "unsigned"):
                if self[given]:
                    raise ConfigurationError(f"--{given} needs --pubsub")
            return
        service = self.topics()
        yield service
        if names:
            yield pubsub.TopicLog(service, names)


class _TopicOptions(AskingOptions, _PolicyOptions):
    """
    The common options of the tools of topics.
    """

    operands = ("TOPIC",)

    def __init__(self) -> None:
        super().__init__()
        self["bootstrap"] = []
        self["listen"] = []

    def opt_bootstrap(self, where: str) -> None:
        """
        connect to this peer, those of a file, or public; may be repeated
        """
        try:
            self["bootstrap"].extend(bootstrapPeers(where))
        except ConfigurationError as error:
            raise UsageError(str(error)) from None

    def opt_listen(self, address: str) -> None:
        """
        listen here for peers, as on /ip4/0.0.0.0/tcp/4001; may be repeated
        """
        self["listen"].append(address)

    def parseArgs(self, topic: str) -> None:  # type: ignore[override]
        try:
            self["topic"] = pubsub.topicName(topic)
        except ConfigurationError as error:
            raise UsageError(str(error)) from None

    def postOptions(self) -> None:
        if not any(
            self[each] for each in ("bootstrap", "listen", "mdns", "routing-url")
        ):
            raise UsageError(
                "no way to a peer: give --bootstrap ADDRESS, such as"
                " /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…, or --mdns, or --listen ADDRESS"
            )

    def services(self, network: PrivateNetwork | None) -> list[IHostService]:
        """
        Make the services that find peers.

        @param network: the private network of the node; None without one.
        @raise ConfigurationError: an option has no usable value.
        """
        services = list(self.askers(network))
        if self["mdns"]:
            services.append(meeting.DialFound(_FOUND))
        if self["bootstrap"]:
            services.append(bootstrap.Bootstrap(self["bootstrap"]))
        return services


class PublishOptions(_TopicOptions):
    """
    Options of C{publish}.
    """

    longdesc = (
        "Publishes each line of stdin as a message of a topic, and ends with it.  Waits"
        " for a peer that has subscribed."
    )
    optParameters: ClassVar[list[Any]] = [
        ["timeout", None, 30.0, "maximum time to wait for a subscriber", seconds],
    ]
    optFlags: ClassVar[list[Any]] = [
        ["raw", None, "publish all of stdin as one message"],
    ]


class SubscribeOptions(_TopicOptions, OutputOptions):
    """
    Options of C{subscribe}.
    """

    longdesc = (
        "Prints each message of a topic as a line, or with --json as one JSON object,"
        " until it is interrupted."
    )
    optParameters: ClassVar[list[Any]] = [
        ["count", "c", None, "end after so many messages", whole(1)],
    ]
