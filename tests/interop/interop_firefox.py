# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The page of C{examples/browser} in Firefox ESR: js-libp2p over Firefox's own
WebTransport and WebSocket.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.utils import getProcessOutputAndValue

from tests.interop.firefox import findFirefox
from tests.interop.interop_browser import chain
from tests.interop.neighbours import HOST
from tests.transport.websocket.authority import Authority
from tests.tun import NAMESPACE, missing

Command = Callable[[str], list[str]]

#: What the page says of each kind of address.
CARRIERS = {
    "udp/0/quic-v1/webtransport": "WebTransport",
    "tcp/0/ws": "WebSocket",
    "tcp/0/tls/ws": "a secure WebSocket",
}


@pytest.mark.parametrize("kind", CARRIERS)
@pytest_twisted.ensureDeferred
async def test_page(command: Command, tmp_path: Path, kind: str) -> None:
    """
    The page dials a node, learns who it is, pings it, and fetches a page from its web
    server.
    """
    findFirefox()
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    serving = [*command("browser"), f"/ip4/{HOST}/{kind}"]
    if "tls" in kind:
        serving.append(str(chain(Authority(tmp_path / "authority"))))
    arguments = [*NAMESPACE, sys.executable, "-m", "tests.interop.visit"]
    program, *rest = [*arguments, str(tmp_path), json.dumps(serving)]
    output, errors, status = await getProcessOutputAndValue(
        program, rest, env=os.environ, reactor=reactor
    )
    assert status == 0, errors.decode()
    shown = json.loads(output.splitlines()[-1])
    assert shown["state"] == f"Connected by {CARRIERS[kind]}."
    assert shown["peer"] == shown["url"].rpartition("/")[2]
    assert shown["agent"].startswith("twisted_libp2p/")
    assert shown["answer"].startswith("200 OK, text/html")
