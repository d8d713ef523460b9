# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Play one row against one peer, and print the result as one line of JSON::

    python -m tests.attacks.play NAME [go|js|py|rust]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

from tests.attacks.arena import MIB, Arena, Process, Result, Target, python
from tests.attacks.rows.places import ADDRESSES, HOST
from tests.attacks.rows.table import Row, chosen
from tests.interop.peers import build

__all__ = ["OURS", "main", "play"]

#: How the node of this project is called among the others.
OURS = "ours"

#: js-libp2p lets in five connections a second from one host, attackers, honest peers
#: and newcomers alike, so that no row would come to its point; its limits are raised.
RAISED = ("js",)

#: Seconds after which a row is given up.
LIMIT = 300

#: Tells that this process is in a network of its own.
_INSIDE = "LIBP2P_ATTACKS_NETWORK"


def play(row: Row, peer: str) -> Result:
    """
    Start the node and the honest peer, and play.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".key") as key:
        key.write("/key/swarm/psk/1.0.0/\n/base16/\n" + "5a" * 32 + "\n")
        key.flush()
        private = ("--psk", key.name) if row.private else ()
        arena = _arena(row, peer, private)
        try:
            return arena.play(row.attack, row.memory * MIB, row.once)
        finally:
            arena.close()


def _arena(row: Row, peer: str, private: tuple[str, ...]) -> Arena:
    if peer == OURS:
        host = HOST if row.network else "127.0.0.1"
        command = python("tests.attacks.node", "--host", host, *row.node, *private)
    else:
        limits = () if peer in RAISED else ("--defaults",)
        command = [*build.build(peer), "listen", *limits, *row.options, *private]
    target, bystander = (Target(command, peer == OURS) for _ in range(2))
    # The honest peer speaks the muxer of the row, where a peer has but one.
    muxer = ("--muxer", "mplex") if "mplex" in row.options and peer != OURS else ()
    honest = Process(
        python(
            "tests.attacks.honest",
            target.multiaddr,
            bystander.multiaddr,
            *muxer,
            *private,
        )
    )
    return Arena(row.name, peer, target, bystander, honest)


def _network() -> None:
    """
    Have a network with the addresses that the row needs, and nothing else.
    """
    commands = ["ip link set lo up"]
    commands += [f"ip address add {each}/32 dev lo" for each in ADDRESSES]
    again = " ".join((sys.executable, "-m", "tests.attacks.play", *sys.argv[1:]))
    script = " && ".join((*commands, f"exec {again}"))
    user = [] if os.getuid() == 0 else ["--map-root-user"]
    sys.exit(
        subprocess.run(
            ["unshare", *user, "--net", "sh", "-c", script],
            env={**os.environ, _INSIDE: "1"},
        ).returncode
    )


def main(arguments: list[str]) -> None:
    """
    Play what the command line says.
    """
    (row,) = chosen(arguments[:1])
    peer = arguments[1] if len(arguments) > 1 else OURS
    if row.network and _INSIDE not in os.environ:
        _network()
    signal.alarm(LIMIT)
    print(play(row, peer).json())


if __name__ == "__main__":
    main(sys.argv[1:])
