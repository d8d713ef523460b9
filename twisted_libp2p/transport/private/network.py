# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Private networks: a key that all members share hides every byte of a stream
transport from others, even which security protocols are negotiated.

Each direction is a nonce and then one key stream.  Nothing is authenticated, and
nothing is negotiated: a peer with another key, or none, receives random bytes.  The
handshake that follows proves the identity of a peer.

See libp2p/specs, pnet/Private-Networks-PSK-V1.md.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from hashlib import shake_128
from typing import Final

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity.secrets import readSecret
from twisted_libp2p.transport.private.xsalsa20 import (
    KEY_SIZE,
    NONCE_SIZE,
    Keystream,
    salsa20,
    xsalsa20,
)

__all__ = ["PrivateNetwork"]

_HEADER: Final = b"/key/swarm/psk/1.0.0/"

# A file of a key, with room for some spaces.
_LONGEST_FILE: Final = 512


class PrivateNetwork:
    """
    The key that the members of a private network share.

    @ivar fingerprint: the name of the network, in hexadecimal digits, which reveals
        nothing of the key; as go-libp2p and rust-libp2p compute it.
    """

    def __init__(self, key: bytes) -> None:
        """
        @param key: 32 bytes.
        @raise ConfigurationError: it has another size, or the package with the
            cipher is not installed.
        """
        if len(key) != KEY_SIZE:
            raise ConfigurationError(
                f"the key of a private network has {KEY_SIZE} bytes, not {len(key)}"
            )
        self._key = key
        masked = salsa20(key, b"finprint")(bytes(64))
        self.fingerprint: str = shake_128(masked).hexdigest(16)

    @classmethod
    def fromFile(cls, path: str | os.PathLike[str]) -> PrivateNetwork:
        """
        Read the file of a key, known as C{swarm.key}.

        It has three lines: C{/key/swarm/psk/1.0.0/}, the encoding, which is
        C{/base16/}, C{/base64/} or C{/bin/}, and the key.

        A file that others can read is warned about.

        @raise ConfigurationError: the file cannot be read, or holds no key.
        """
        try:
            return cls(_parse(readSecret("Private network file", path, _LONGEST_FILE)))
        except OSError as error:
            problem = error.strerror
        except ConfigurationError as error:
            problem = str(error)
        raise ConfigurationError(f"private network file {os.fspath(path)}: {problem}")

    def begin(self) -> tuple[bytes, Keystream]:
        """
        Begin our direction of a connection.

        @return: the nonce to send first, and what encrypts all that follows.
        """
        nonce = os.urandom(NONCE_SIZE)
        return nonce, self.keystream(nonce)

    def keystream(self, nonce: bytes) -> Keystream:
        """
        Begin one direction of a connection.

        @param nonce: 24 bytes, drawn by its sender.
        @return: what encrypts, or decrypts, all that follows the nonce.
        """
        return xsalsa20(self._key, nonce)

    def __repr__(self) -> str:
        return f"<PrivateNetwork {self.fingerprint}>"


def _parse(content: bytes) -> bytes:
    """
    Parse the content of a key file.

    @raise ConfigurationError: it is not such a file.
    """
    if len(content) > _LONGEST_FILE:
        raise ConfigurationError("it is too large to be a key")
    header, _, rest = content.partition(b"\n")
    encoding, _, encoded = rest.partition(b"\n")
    if header.rstrip(b"\r") != _HEADER:
        raise ConfigurationError(f"the first line has to be {_HEADER.decode()}")
    name = encoding.rstrip(b"\r").decode("ascii", "replace")
    decode = _ENCODINGS.get(name)
    if decode is None:
        raise ConfigurationError(
            f"the second line has to be one of {', '.join(_ENCODINGS)}"
        )
    try:
        return decode(encoded)
    except binascii.Error:
        raise ConfigurationError(f"the key is not in {name.strip('/')}") from None


def _unframed(encoded: bytes) -> bytes:
    """
    Bytes as they are, but for the end of a line that an editor may have put
    behind them.
    """
    for end in (b"\r\n", b"\n"):
        if len(encoded) == KEY_SIZE + len(end) and encoded.endswith(end):
            return encoded[:KEY_SIZE]
    return encoded


_ENCODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "/base16/": lambda encoded: binascii.unhexlify(encoded.strip()),
    "/base64/": lambda encoded: base64.b64decode(encoded.strip(), validate=True),
    "/bin/": _unframed,
}
