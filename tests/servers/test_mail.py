# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
twisted.mail over a stream.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.mail.imap4 import (
    IAccount,
    IMailboxInfo,
    IMAP4Client,
    IMAP4Server,
    MemoryAccount,
)
from twisted.mail.pop3 import POP3, AdvancedPOP3Client, IMailbox, Mailbox
from twisted.mail.relay import DomainQueuer
from twisted.mail.smtp import (
    ESMTP,
    SMTP,
    Address,
    ESMTPSenderFactory,
    IMessage,
    IMessageDelivery,
    SMTPFactory,
    SMTPSenderFactory,
    User,
)
from zope.interface import implementer

from tests.servers.served import ServedTestCase


@implementer(IMessage)
class Received:
    """
    A message that arrives.
    """

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines

    def lineReceived(self, line: bytes) -> None:
        """
        Keep a line.
        """
        self._lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        """
        It is whole.
        """
        return succeed(None)

    def connectionLost(self) -> None:
        """
        It is not.
        """
        self._lines.clear()


@implementer(IMessageDelivery)
class Delivery:
    """
    Takes every message.

    @ivar lines: the lines of all messages.
    @ivar hosts: the hosts that the senders said they are, and were seen as.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.hosts: list[tuple[bytes, Any]] = []

    def receivedHeader(
        self, helo: tuple[bytes, Any], origin: Address, recipients: list[User]
    ) -> bytes:
        """
        Return what stands before the message.
        """
        self.hosts.append(helo)
        return b"Received: by a test"

    def validateFrom(self, helo: tuple[bytes, Any], origin: Address) -> Address:
        """
        Accept a sender.
        """
        return origin

    def validateTo(self, user: User) -> Any:
        """
        Accept a recipient.
        """
        return lambda: Received(self.lines)


class Box(Mailbox):
    """
    A mailbox with one message.
    """

    def listMessages(self, index: int | None = None) -> Any:
        """
        List the sizes.
        """
        return [7] if index is None else 7

    def getMessage(self, index: int) -> Any:
        """
        Return the message.
        """
        return BytesIO(b"message")

    def getUidl(self, index: int) -> bytes:
        """
        Name the message.
        """
        return b"one"


@implementer(IMailboxInfo)
class Folder:
    """
    A mailbox of IMAP4 that has nothing but a name.
    """

    def getFlags(self) -> list[str]:
        """
        Return none.
        """
        return []

    def getHierarchicalDelimiter(self) -> str:
        """
        Return what stands between names.
        """
        return "/"


class Account(MemoryAccount):
    """
    An account with one mailbox.
    """

    def listMailboxes(self, reference: Any, wildcard: Any) -> Any:
        """
        List it.
        """
        return [("INBOX", Folder())]


@implementer(IRealm)
class Realm:
    """
    Has one mailbox for everybody.
    """

    def requestAvatar(self, avatar: object, mind: object, *interfaces: Any) -> Any:
        """
        Return it.
        """
        if IAccount in interfaces:
            account = Account("ada")
            return IAccount, account, lambda: None
        return IMailbox, Box(), lambda: None


def portal() -> Portal:
    """
    Let in one user.
    """
    checker = InMemoryUsernamePasswordDatabaseDontUse()
    checker.addUser(b"ada", b"sesame")
    return Portal(Realm(), [checker])


class MailTests(ServedTestCase):
    """
    Mail is sent and fetched.
    """

    async def send(self, server: type[SMTP], sender: Any) -> Delivery:
        """
        Send a message to a server.
        """
        delivery = Delivery()

        def build() -> SMTP:
            protocol = server()
            protocol.delivery = delivery
            return protocol

        factory = SMTPFactory()
        factory.protocol = build  # type: ignore[assignment]
        await self.serve(factory)
        await self.connectFactory(sender)
        return delivery

    async def test_smtp(self) -> None:
        """
        A message by SMTP; the server greets the peer by its id.
        """
        sent: Deferred[Any] = Deferred()
        sender = SMTPSenderFactory(
            "a@example.com", ["b@example.com"], BytesIO(b"Subject: x\n\nhello"), sent
        )
        delivery = await self.send(SMTP, sender)
        await sent
        self.assertEqual(delivery.lines[-1], b"hello")
        ((_, host),) = delivery.hosts
        self.assertEqual(host, self.guest.encode())

    async def test_esmtp(self) -> None:
        """
        The same by ESMTP.
        """
        sent: Deferred[Any] = Deferred()
        sender = ESMTPSenderFactory(
            None,
            None,
            "a@example.com",
            ["b@example.com"],
            BytesIO(b"Subject: x\n\nhello"),
            sent,
            requireAuthentication=False,
            requireTransportSecurity=False,
        )
        delivery = await self.send(ESMTP, sender)
        await sent
        self.assertEqual(delivery.lines[-1], b"hello")
        ((_, host),) = delivery.hosts
        self.assertEqual(host, self.guest.encode())

    async def test_relay(self) -> None:
        """
        The relay trusts no peer for its address, be it that of this machine.
        """
        asked: list[bool] = []

        class Asking(SMTP):
            """
            Asks the relay.
            """

            def connectionMade(self) -> None:
                """
                Ask.
                """
                asked.append(DomainQueuer(None).willRelay(None, self))
                super().connectionMade()

        sent: Deferred[Any] = Deferred()
        sender = SMTPSenderFactory("a@b.c", ["d@e.f"], BytesIO(b"\n"), sent)
        await self.send(Asking, sender)
        await sent
        self.assertEqual(asked, [False])

    async def test_pop3(self) -> None:
        """
        A mailbox by POP3.
        """

        def build() -> Any:
            protocol: Any = POP3()
            protocol.portal = portal()
            return protocol

        await self.serve(Factory.forProtocol(build))
        client: Any = AdvancedPOP3Client()
        client.allowInsecureLogin = True
        greeted: Deferred[Any] = Deferred()
        client.serverGreeting = greeted.callback
        await self.connect(client)
        await greeted
        # Twisted's own server (26.10.0) never accepts its own client's APOP.
        client.serverChallenge = None
        await client.login(b"ada", b"sesame")
        self.assertEqual(await client.listSize(), [7])
        self.assertEqual(await client.retrieve(0), [b"message"])
        await client.quit()

    async def test_imap4(self) -> None:
        """
        A mailbox by IMAP4.
        """

        def build() -> Any:
            protocol: Any = IMAP4Server()
            protocol.portal = portal()
            return protocol

        await self.serve(Factory.forProtocol(build))
        client: Any = IMAP4Client()
        greeted: Deferred[Any] = Deferred()
        client.serverGreeting = greeted.callback
        await self.connect(client)
        await greeted
        await client.login(b"ada", b"sesame")
        self.assertEqual(len(await client.list("", "*")), 1)
        await client.logout()
