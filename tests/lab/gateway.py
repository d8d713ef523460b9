# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A router that maps ports when it is asked: miniupnpd.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.lab.lab import Router
from tests.lab.reactor import ReactorIn

__all__ = ["Daemon", "missing"]

#: Where Debian puts it, and where no PATH of a user may lead.
_PROGRAM = shutil.which("miniupnpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# Its chains hang in chains of the kernel, which it does not make itself.
_CHAINS = """
table inet upnp {
  chain mapped { }
  chain translated { }
  chain masked { }
  chain forward { type filter hook forward priority -5; policy accept; jump mapped
  }
  chain prerouting { type nat hook prerouting priority -101; policy accept
    jump translated
  }
  chain postrouting { type nat hook postrouting priority 99; policy accept
    jump masked
  }
}
"""

_CONFIGURATION = """
ext_ifname=wan
listening_ip=lan
port=0
enable_natpmp={natpmp}
enable_upnp={upnp}
secure_mode=yes
min_lifetime=5
max_lifetime=86400
uuid=11111111-2222-3333-4444-555555555555
serial=1
model_number=1
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=mapped
upnp_nat_chain=translated
upnp_nat_postrouting_chain=masked
clean_ruleset_interval=600
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


def missing() -> str | None:
    """
    Return why there is no such router here; None if there can be one.
    """
    if _PROGRAM is None:
        return (
            "there is no miniupnpd: apt-get install --no-install-recommends miniupnpd"
        )
    return None


class Daemon(ProcessProtocol):
    """
    A daemon on a router.

    @ivar output: its log.
    """

    def __init__(
        self, reactor: Any, router: Router, *, natpmp: bool = True, upnp: bool = True
    ) -> None:
        """
        @param natpmp: whether it speaks PCP and NAT-PMP.
        @param upnp: whether it speaks UPnP.
        """
        self.output = b""
        self._last = b"Listening for NAT-PMP" if natpmp else b"HTTP listening on port"
        self._reactor = ReactorIn(reactor, router)
        self._router = router
        self._folder = Path(tempfile.mkdtemp())
        (self._folder / "conf").write_text(
            _CONFIGURATION.format(
                natpmp="yes" if natpmp else "no", upnp="yes" if upnp else "no"
            )
        )
        self._awaited: tuple[bytes, Deferred[None]] | None = None
        self._ended: Deferred[None] = Deferred()
        self._process: IProcessTransport | None = None

    def start(self) -> Deferred[None]:
        """
        Start it, with no mapping.

        @return: fires when it listens.
        """
        assert _PROGRAM is not None
        self._router.run("nft -f -", "table inet upnp\ndelete table inet upnp\n")
        self._router.run("nft -f -", _CHAINS)
        self.output = b""
        self._ended = Deferred()
        files = f"-f {self._folder}/conf -P {self._folder}/pid".split()
        self._process = self._reactor.spawnProcess(
            self, _PROGRAM, [_PROGRAM, "-d", "-4", *files]
        )
        return self.wait(self._last)

    def wait(self, text: bytes) -> Deferred[None]:
        """
        Wait for a text in the log since the start.
        """
        found: Deferred[None] = Deferred()
        self._awaited = text, found
        self._look()
        return found

    def _look(self) -> None:
        if self._awaited is not None and self._awaited[0] in self.output:
            (_, found), self._awaited = self._awaited, None
            found.callback(None)

    def kill(self) -> Deferred[None]:
        """
        Kill it; its mappings stay.

        @return: fires when it has ended.
        """
        assert self._process is not None
        self._process.signalProcess("KILL")
        return self._ended

    def outReceived(self, data: bytes) -> None:
        """
        Keep the log.
        """
        self.errReceived(data)

    def errReceived(self, data: bytes) -> None:
        """
        Keep the log.
        """
        self.output += data
        self._look()

    def processEnded(self, reason: Failure) -> None:
        """
        Fail if the awaited text has not come.
        """
        self._process = None
        if self._awaited is not None:
            (_, found), self._awaited = self._awaited, None
            text = self.output.decode(errors="replace")
            found.errback(Failure(AssertionError(f"miniupnpd has ended: {text}")))
        self._ended.callback(None)

    async def close(self) -> None:
        """
        End it, and remove its files.
        """
        if self._process is not None:
            await self.kill()
        shutil.rmtree(self._folder)
