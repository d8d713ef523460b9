# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
HTTP over streams, with go- and js-libp2p, and proofs of peer ids in HTTP over TLS, with
go-libp2p; in both directions.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.web.client import Agent as WebAgent
from twisted.web.client import BrowserLikePolicyForHTTPS, FileBodyProducer, readBody
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.interop.network import Command, Foreign, Network
from tests.transport.websocket.authority import Authority
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import PeerMismatch
from twisted_libp2p.identity import Identity
from twisted_libp2p.web import Agent, WebService, readSome
from twisted_libp2p.web.auth import PeerIDAgent, PeerIDResource

GREETING = "/greeting/1.0.0"


class Greeting(Resource):
    """
    Answers with the method, the path and the peer.
    """

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        """
        Answer.
        """
        path = b"/".join(request.postpath).decode()
        peer = PeerAddress.of(request).peerID
        return f"{request.method.decode()} /{path}, {peer}".encode()

    def render_POST(self, request: Any) -> bytes:
        """
        Answer with the body, too.
        """
        body: bytes = request.content.read()
        return self.render_GET(request) + b", " + body


class Web(Network):
    """
    The peers of a test, and an authority for certificates.
    """

    def __init__(self, command: Command, folder: Path) -> None:
        super().__init__(command)
        self.authority = Authority(folder)
        self.certificate = self.authority.server("localhost")

    async def go(self) -> Foreign:
        """
        Start go-libp2p.
        """
        return await self.foreign(
            "go", "web", str(self.certificate), str(self.authority.roots)
        )

    def agent(self) -> WebAgent:
        """
        Make an agent that trusts the authority.
        """
        roots = Certificate.loadPEM(self.authority.roots.read_bytes())
        trusted = trustRootFromCertificates([roots])
        return WebAgent(reactor, BrowserLikePolicyForHTTPS(trusted))


@pytest.fixture
def net(command: Command, tmp_path: Path) -> Any:
    """
    Make an empty network.
    """
    made = Web(command, tmp_path / "authority")
    yield made
    pytest_twisted.blockon(Deferred.fromCoroutine(made.stop()))


@pytest_twisted.ensureDeferred
async def test_request(net: Web) -> None:
    """
    We find the path of a protocol of go, and request a resource below it.
    """
    go = await net.go()
    node = await net.node()
    await node.connect(go.address)
    agent = Agent(node)
    assert await agent.protocols(go.peerID) == {GREETING: "/hello/"}
    uri = await agent.uriOf(go.peerID, GREETING, "you")
    response = await agent.request(b"GET", uri)
    assert response.code == 200
    assert await readBody(response) == f"GET /you, {node.peerID}".encode()
    uri = f"multiaddr:{go.address}/http-path/hello%2Fme".encode()
    response = await agent.request(b"DELETE", uri)
    assert await readBody(response) == f"DELETE /me, {node.peerID}".encode()


@pytest_twisted.ensureDeferred
async def test_serve(net: Web) -> None:
    """
    go finds the path of a protocol of ours, and requests a resource below it.
    """
    go = await net.go()
    web = WebService()
    web.mount(GREETING, Greeting(), "/our/greeting")
    node = await net.node(web)
    for path in ("/you", "/"):
        text = await go.ask("get", str(node.addresses[0]), "GET", path)
        assert text == f"GET {path}, {go.peerID}"


@pytest_twisted.ensureDeferred
async def test_requestJs(net: Web) -> None:
    """
    We find the path of a protocol of js, which serves that path alone.
    """
    js = await net.foreign("js", "web")
    node = await net.node()
    await node.connect(js.address)
    agent = Agent(node)
    served = await agent.protocols(js.peerID)
    assert served[GREETING] == "/hello"
    for _ in range(3):
        response = await agent.request(b"GET", await agent.uriOf(js.peerID, GREETING))
        assert response.code == 200
        # The response has no length.
        assert await readSome(response, 100) == b"GET /hello"


@pytest_twisted.ensureDeferred
async def test_serveJs(net: Web) -> None:
    """
    js finds the path of a protocol of ours, and requests it.
    """
    js = await net.foreign("js", "web")
    web = WebService()
    web.mount(GREETING, Greeting(), "/our/greeting")
    node = await net.node(web)
    for _ in range(3):
        text = await js.ask("get", str(node.addresses[0]), "GET")
        assert text == f"GET /, {js.peerID}"


@pytest_twisted.ensureDeferred
async def test_prove(net: Web) -> None:
    """
    We and a server of go prove our peer ids to each other; the body comes once, and the
    next request has the token.
    """
    go = await net.go()
    identity = Identity.generate()
    agent = PeerIDAgent(net.agent(), identity, go.peerID)
    uri = f"{go.hello['url']}/path".encode()
    for method, body in ((b"POST", b"one"), (b"POST", b"two"), (b"GET", b"")):
        producer = FileBodyProducer(BytesIO(body)) if body else None
        response = await agent.request(method, uri, None, producer)
        assert response.code == 200
        text = f'{method.decode()} /path "{body.decode()}", {identity.peerID}'
        assert await readBody(response) == text.encode()
        assert agent.peerOf(uri) == go.peerID
    other = PeerIDAgent(net.agent(), identity, identity.peerID)
    with pytest.raises(PeerMismatch):
        await other.request(b"GET", uri)


@pytest_twisted.ensureDeferred
async def test_proven(net: Web) -> None:
    """
    A client of go and our server prove their peer ids to each other.
    """
    go = await net.go()
    identity = Identity.generate()
    guarded = PeerIDResource(Greeting(), identity, ["localhost"], reactor)
    endpoint = serverFromString(
        reactor, f"ssl:0:interface=127.0.0.1:privateKey={net.certificate}"
    )
    port = await endpoint.listen(Site(guarded, reactor=reactor))
    try:
        url = f"https://localhost:{port.getHost().port}/path"
        for body in ("one", "two"):
            peer, text = await go.ask("prove", url, body)
            assert peer == str(identity.peerID)
            assert text == f"POST /path, {go.peerID}, {body}"
    finally:
        await port.stopListening()
