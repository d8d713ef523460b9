# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A peer that speaks QUIC, but another application protocol than libp2p: aioquic with its
own event loop, in a process of its own::

    python -m tests.interop.stranger listen CERTIFICATE
    python -m tests.interop.stranger dial PORT

Either prints one line of JSON: the port of the listener, or the error of the dialer.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration

_HOST = "127.0.0.1"
_ALPN = ["h3"]


async def _listen(certificate: str) -> None:
    """
    Listen until standard input ends.

    @param certificate: file of the certificate and its key.
    """
    configuration = QuicConfiguration(is_client=False, alpn_protocols=_ALPN)
    configuration.load_cert_chain(certificate)
    server = await serve(_HOST, 0, configuration=configuration)
    assert server._transport is not None
    port = server._transport.get_extra_info("sockname")[1]
    print(json.dumps({"port": port}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


async def _dial(port: str) -> None:
    """
    Connect once.

    @param port: the port of the listener.
    """
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=_ALPN, verify_mode=ssl.CERT_NONE
    )
    error = None
    try:
        async with connect(_HOST, int(port), configuration=configuration):
            pass
    except ConnectionError as refusal:
        error = repr(refusal)
    print(json.dumps({"error": error}), flush=True)


if __name__ == "__main__":
    role, argument = sys.argv[1:]
    asyncio.run({"listen": _listen, "dial": _dial}[role](argument))
