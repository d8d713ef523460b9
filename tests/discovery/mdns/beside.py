# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two nodes on a machine with avahi, as a program: C{python -m
tests.discovery.mdns.beside FOLDER}, in network and mount namespaces of its own.

It prints the ids of the peers that the nodes have found, and the output of
C{avahi-browse}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react
from twisted.internet.utils import getProcessOutputAndValue

from twisted_libp2p.discovery.events import PeerDiscovered
from twisted_libp2p.discovery.mdns.service import MdnsService
from twisted_libp2p.node import Node

_BUS = """
<busconfig><type>system</type><listen>unix:path=/run/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/>
<allow own="*"/><allow user="*"/></policy></busconfig>
"""

_AVAHI = """
[server]
host-name=machine
use-ipv6=no
allow-interfaces=one
"""

# avahi gives its folder to its user, who has to exist in the namespace.
_SCRIPT = """
ip link set lo up
ip link add one type veth peer name two
ip address add 10.9.9.1/24 dev one
ip link set one up
ip link set two up
for file in passwd group; do
  sed 's/^avahi:x:[0-9]*:/avahi:x:0:/; s/^avahi:x:0:[0-9][0-9]*:/avahi:x:0:0:/' \\
    /etc/$file > $0/$file
  mount --bind $0/$file /etc/$file
done
mount -t tmpfs none /run
"""


async def run(folder: Path) -> None:
    """
    Start avahi, then the nodes.
    """
    (folder / "bus.conf").write_text(_BUS)
    (folder / "avahi.conf").write_text(_AVAHI)
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/run/bus"
    subprocess.run(["sh", "-e", "-c", _SCRIPT, str(folder)], check=True)
    bus = ["dbus-daemon", "--nofork", "--print-address"]
    avahi = ["avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits"]
    with (folder / "log").open("wb") as log:
        daemons = [
            subprocess.Popen(
                [*bus, f"--config-file={folder}/bus.conf"],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        ]
        # avahi gives up if the bus does not listen yet.
        assert daemons[0].stdout is not None
        daemons[0].stdout.readline()
        daemons.append(
            subprocess.Popen(
                [*avahi, "-f", f"{folder}/avahi.conf"], stdout=log, stderr=log
            )
        )
    try:
        await meet(daemons[1])
    finally:
        for each in daemons:
            each.kill()
            each.wait()


async def meet(avahi: subprocess.Popen[bytes]) -> None:
    """
    Let two nodes find each other, and ask avahi for them.

    @param avahi: the daemon.
    @raise RuntimeError: it has ended.
    """
    nodes = [
        Node(reactor, listen=["/ip4/10.9.9.1/tcp/0"], services=[MdnsService()])
        for _ in range(2)
    ]
    finding: list[Deferred[Any]] = []
    for each in nodes:
        finding.append(each.events.next(PeerDiscovered))
        each.startService()
    found = await gatherResults(finding)
    # It ends when it has the present answers, or if avahi has not started.
    browse = ["-rpt", "_p2p._udp"]
    output = b""
    while output.count(b"\n=") < len(nodes):
        if avahi.poll() is not None:
            raise RuntimeError("avahi has ended, see the log")
        text, *_ = await getProcessOutputAndValue("avahi-browse", browse, os.environ)
        output = b"\n" + text
    print(
        json.dumps(
            {
                "nodes": [str(each.peerID) for each in nodes],
                "found": [str(event.peer) for event in found],
                "browsed": output.decode(),
            }
        )
    )
    for each in nodes:
        await each.stopService()


if __name__ == "__main__":
    react(lambda _: Deferred.fromCoroutine(run(Path(sys.argv[1]))))
