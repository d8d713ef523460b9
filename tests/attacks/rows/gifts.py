# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on the transfer of files, on pairing, and on the control socket.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from hashlib import sha256
from typing import Any

from tests.attacks.arena import Arena
from tests.attacks.raw.identity import base58
from tests.attacks.raw.multistream import Refused
from tests.attacks.raw.noise import Noise
from tests.attacks.raw.peer import Peer, Trap
from tests.attacks.raw.pipe import Ended, Fate
from tests.attacks.raw.serving import accept
from tests.attacks.raw.wire import delimited
from tests.attacks.raw.yamux import Session, Stream

__all__ = ["control", "guesses", "offer", "offers", "stalls"]

FILES = "/twisted-libp2p/file/1.0.0"
PAIR = "/twisted-libp2p/pair/1.0.0"

#: Seconds for an answer.
AT_ONCE = 2.0

#: Seconds without a byte after which a transfer is interrupted.
STALL_TIME = 60.0

#: Files that are received at once.
PLACES = 8

#: The user that owns nothing.
NOBODY_ID = 65534


def offer(name: Any, data: bytes, **changes: Any) -> bytes:
    """
    Return the message that offers a file.
    """
    facts = {"name": name, "size": len(data), "sha256": sha256(data).hexdigest()}
    return delimited(json.dumps({**facts, **changes}).encode())


def _answer(stream: Stream) -> dict[str, Any]:
    """
    Receive an answer.

    @return: it; an object without entries if the stream ends before it.
    """
    try:
        answer: dict[str, Any] = json.loads(stream.message())
    except Ended:
        return {}
    return answer


def _permitted(arena: Arena) -> Session:
    """
    Connect as a peer that may send files.
    """
    peer = Peer()
    arena.target.ask("permit", base58(peer.identity.peerID))
    return peer.dial(arena.address)


def offers(arena: Arena) -> None:
    """
    Play C{transfer.offers}.
    """
    session = _permitted(arena)
    names = (
        "../outside", "/tmp/outside", "..", ".bashrc", "a/b", "a\\b", "a\0b", "a\nb",
        "C:outside", "", "a" * 201, 7, None, ["a"],
    )  # fmt: skip
    wrong = {f"the name {str(each)[:12]!r}": offer(each, b"abc") for each in names}
    for size in (-1, 1 << 60, "3", True, None, 1e3):
        wrong[f"the size {size}"] = offer("a", b"abc", size=size)
    for digest in ("", "g" * 64, "a" * 63, None):
        wrong[f"the digest {digest!r}"[:20]] = offer("a", b"abc", sha256=digest)
    wrong["no object"] = delimited(b"[]")
    wrong["deep nesting"] = delimited(b"[" * 4000)
    wrong["bytes after it"] = offer("a", b"abc") + b"abc"
    for name, data in wrong.items():
        stream = session.open(FILES)
        stream.send(data)
        answer = _answer(stream)
        arena.expect(f"an error for {name}", "error" in answer, answer)
    long = session.open(FILES)
    long.send(b"\xff\xff\x7f")
    arena.expect("a long message ended", _over(long))
    for name, data in (("more", b"abcd"), ("other", b"abd")):
        stream = session.open(FILES)
        stream.send(offer(name, b"abc"))
        arena.expect(f"an offset for {name}", _answer(stream) == {"offset": 0})
        stream.send(data)
        stream.finish()
        arena.expect(f"an error for {name} bytes", "error" in _answer(stream))
    inbox = arena.target.ask("inbox")
    outside = [each for each in inbox["beside"] if each not in _OWN]
    arena.expect("nothing outside of the folder", not outside, outside)
    visible = [each for each in inbox["names"] if not each.startswith(".")]
    arena.expect("no file", not visible, visible)
    arena.saw(
        f"{len(wrong) + 3} of {len(wrong) + 3} refused; no file, and none elsewhere"
    )
    session.close()


#: The files of the node itself.
_OWN = ("inbox", "control.sock", "control.sock.lock", "peers", "film")


def _over(stream: Stream) -> bool:
    """
    Wait for the end of a stream, or an error.
    """
    return "offset" not in _answer(stream)


def stalls(arena: Arena) -> None:
    """
    Play C{transfer.stalling_peers}.
    """
    session = _permitted(arena)
    data = bytes(1 << 20)
    answers = []
    for number in range(PLACES + 1):
        stream = session.open(FILES)
        stream.send(offer(f"stalled{number}", data))
        answers.append(_answer(stream))
    arena.expect("a refusal without a place", "error" in answers[-1], answers[-1])
    trap = Trap()
    arena.target.tell("send", trap.address())
    pipe: Noise = trap.secure()
    receiver = accept(victim := Session(pipe, initiator=False), FILES)
    receiver.message()
    receiver.send(delimited(b'{"offset": 0}'))
    began = time.monotonic()
    victim.idle(STALL_TIME + 15)
    sent = arena.target.hear()
    arena.expect("the sender gives up", "has taken no byte" in sent["error"], sent)
    # The places of the other session are free by now, too.
    held = _permitted(arena)
    stream = held.open(FILES)
    stream.send(offer("honest", b"abc"))
    answer = _answer(stream)
    arena.expect("a place for another peer", answer == {"offset": 0}, answer)
    arena.saw(
        f"{PLACES} senders that send nothing, and a receiver that takes nothing, are"
        f" cut off after {sent['seconds']:.0f} s ({time.monotonic() - began:.0f} s)"
    )
    for each in (session, held, victim):
        each.close()
    trap.close()


def _use(session: Session, secret: bytes, name: bytes = b"thief") -> bytes:
    """
    Use a ticket.

    @return: the answer; empty if there is none.
    """
    try:
        stream = session.open(PAIR)
        stream.send(delimited(secret + name))
        stream.finish()
        return stream.message()
    except (Ended, Refused):
        return b""


def guesses(arena: Arena) -> None:
    """
    Play C{access.guessed_tickets}.
    """
    peers = [Peer() for _ in range(3)]
    thief, second, owner = (each.dial(arena.address) for each in peers)
    answer = _use(thief, os.urandom(16))
    arena.expect("nothing before the first ticket", not answer, answer)
    secret = bytes.fromhex(arena.target.ask("invite")["secret"])
    before = len(arena.target.log())
    for number in range(1000):
        answer = _use(second, os.urandom(16) if number % 2 else secret[:15] + b"\0")
        if secret[15:] != b"\0":
            arena.expect("a refused guess", answer[:1] == b"\1", answer[:40])
    written = len(arena.target.log()) - before
    arena.expect("a short log of 1000 guesses", written < 20_000, written)
    for wrong in (b"", secret[:8], secret * 20):
        answer = _use(second, wrong, b"")
        arena.expect("a refused length", answer[:1] != b"\0", answer[:40])
    arena.expect("a stolen ticket used", _use(thief, secret)[:1] == b"\0")
    for session in (second, owner):
        answer = _use(session, secret)
        named = base58(peers[0].identity.peerID).encode() in answer
        arena.expect("the thief named", answer[:1] == b"\1" and named, answer)
    paired = arena.target.ask("paired")["peers"]
    expected = [base58(peers[0].identity.peerID)]
    arena.expect("one peer paired", paired == expected, paired)
    arena.saw(
        f"1000 guesses refused ({written / 1000:.0f} kB of log); a stolen ticket works"
        " once, and its owner learns the id of the thief"
    )
    for session in (thief, second, owner):
        session.close()


def _asked(path: str, data: bytes, seconds: float = AT_ONCE) -> Fate:
    """
    Ask the control socket.
    """
    began = time.monotonic()
    said = b""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect(path)
            # The node may have answered, and hung up, before.
            with suppress(BrokenPipeError):
                asking.sendall(data)
            while more := asking.recv(1 << 16):
                said += more
        except TimeoutError:
            return Fate("silent", seconds, said)
        except OSError as error:
            return Fate(type(error).__name__, time.monotonic() - began, said)
    return Fate("closed", time.monotonic() - began, said)


def _asNobody(path: str) -> str:
    """
    Ask as another user.

    @return: the answer, or the error.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(NOBODY_ID)
            os.setuid(NOBODY_ID)
            fate = _asked(path, b'{"command": "invite"}\n')
            os.write(writing, fate.said or fate.how.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said


def control(arena: Arena) -> None:
    """
    Play C{control.other_users}.
    """
    path = arena.target.ask("doors")["control"]
    mode = os.stat(path).st_mode & 0o777
    arena.expect("the mode 600", mode == 0o600, oct(mode))
    for name, data in {
        "an endless line": b"a" * (1 << 20),
        "no JSON": b"hello\n",
        "no object": b"[]\n",
        "no command": b"{}\n",
        "an unknown command": b'{"command": "stop"}\n',
        "a command that is no text": b'{"command": {}}\n',
        "deep nesting": b"[" * 4000 + b"\n",
    }.items():
        fate = _asked(path, data)
        arena.expect(f"{name} ended", fate.ended, str(fate))
        arena.expect(f"no ticket for {name}", b"ticket" not in fate.said, fate.said)
    silent = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    for each in silent:
        each.connect(path)
    arena.expect("an answer meanwhile", b"peer" in _asked(path, _STATUS).said)
    seen = "not tried: this needs root"
    if os.getuid() == 0:
        closed = _asNobody(path)
        arena.expect("closed to another user", closed == "PermissionError", closed)
        # As if the mode had been lost.
        os.chmod(path, 0o666)
        os.chmod(os.path.dirname(path), 0o755)
        stolen = _asNobody(path)
        arena.expect("a refusal", "another user may not ask" in stolen, stolen)
        os.chmod(path, 0o600)
        seen = "refused by the mode, and, if that is lost, by the user id"
    for each in silent:
        each.settimeout(15)
        arena.expect("a silent program cut off", _ends(each))
        each.close()
    arena.saw(f"7 of 7 ended without a ticket; another user: {seen}")


_STATUS = b'{"command": "status"}\n'


def _ends(asking: socket.socket) -> bool:
    """
    Wait until the node hangs up.
    """
    try:
        return not asking.recv(1)
    except ConnectionError:
        return True
    except TimeoutError:
        return False
