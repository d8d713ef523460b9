# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
twisted.words over a stream.
"""

from __future__ import annotations

from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.words.protocols.irc import IRCClient
from twisted.words.protocols.jabber.component import (
    ConnectComponentAuthenticator,
    Router,
    XMPPComponentServerFactory,
)
from twisted.words.protocols.jabber.xmlstream import (
    STREAM_AUTHD_EVENT,
    XmlStreamFactory,
)
from twisted.words.service import InMemoryWordsRealm, IRCFactory

from tests.servers.served import ServedTestCase


class Chatter(IRCClient):
    """
    Joins a group.

    @ivar there: fires with the group.
    """

    nickname = "ada"
    password: Any = "sesame"

    def __init__(self) -> None:
        self.there: Deferred[str] = Deferred()

    def signedOn(self) -> None:
        """
        Join it.
        """
        self.join("chat")

    def joined(self, channel: str) -> None:
        """
        Report it.
        """
        self.there.callback(channel)


class WordsTests(ServedTestCase):
    """
    People and programs talk.
    """

    async def test_irc(self) -> None:
        """
        A server of IRC lets in a user, who joins a group.
        """
        realm = InMemoryWordsRealm("example")
        realm.createGroupOnRequest = True
        checker = InMemoryUsernamePasswordDatabaseDontUse()
        # Twisted's own IRC server logs in with text.
        users: Any = checker.users
        users["ada"] = "sesame"
        await self.serve(IRCFactory(realm, Portal(realm, [checker])))
        chatter = await self.connect(Chatter())
        self.assertEqual(await chatter.there, "#chat")
        chatter.quit()

    async def test_xmpp(self) -> None:
        """
        A router of XMPP lets in a component.
        """
        factory = XMPPComponentServerFactory(Router(), secret="sesame")
        await self.serve(factory)
        authenticated: Deferred[object] = Deferred()
        client = XmlStreamFactory(
            ConnectComponentAuthenticator("component.example", "sesame")
        )
        client.addBootstrap(STREAM_AUTHD_EVENT, authenticated.callback)
        await self.connectFactory(client)
        client.stopTrying()
        await authenticated
