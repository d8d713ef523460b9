# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The settings that a supervisor gives to a worker, in addition to the options of both.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from struct import Struct
from typing import Any, Final

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity, PrivateKey
from twisted_libp2p.transport.inherited import InheritedSocket

__all__ = ["VARIABLE", "WorkerSettings"]

#: The variable of the environment with the descriptor of a worker's orders.
VARIABLE: Final = "TWISTED_LIBP2P_WORKER"

_LENGTH: Final = Struct("!I")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """
    The settings of one worker.  They come first on the pipe of its orders, since a
    private key does not belong into the environment or the command line.

    @ivar number: the number of its place, from 1.
    @ivar key: the private key of all workers.
    @ivar listen: the addresses to listen on.
    @ivar sockets: the sockets of these addresses.
    @ivar orders: the descriptor from which it reads orders.
    @ivar reports: the descriptor to which it writes reports.
    """

    number: int
    key: bytes
    listen: tuple[str, ...]
    sockets: tuple[InheritedSocket, ...]
    orders: int
    reports: int

    @property
    def identity(self) -> Identity:
        """
        The identity of all workers.
        """
        return Identity(PrivateKey.fromBytes(self.key))

    def toBytes(self) -> bytes:
        """
        Return the message with the settings.
        """
        text = json.dumps({**asdict(self), "key": b64encode(self.key).decode()})
        return _LENGTH.pack(len(text.encode())) + text.encode()

    @classmethod
    def ofEnvironment(
        cls, environment: MutableMapping[str, str]
    ) -> WorkerSettings | None:
        """
        Read the settings of this process, and hide the pipe from the programs that it
        starts.

        @param environment: the environment of this process.
        @return: None if this process is not a worker.
        @raise ConfigurationError: there is no such pipe: the environment of a worker
            was given to another program.
        """
        place = environment.pop(VARIABLE, None)
        if place is None:
            return None
        try:
            (length,) = _LENGTH.unpack(_read(int(place), _LENGTH.size))
            settings = cls._parsed(json.loads(_read(int(place), length)))
            for each in (settings.orders, settings.reports):
                os.set_inheritable(each, False)
            for socket in settings.sockets:
                os.set_inheritable(socket.descriptor, False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{VARIABLE} is set, but there is no supervisor: {error}; unset it"
            ) from None
        return settings

    @classmethod
    def _parsed(cls, found: dict[str, Any]) -> WorkerSettings:
        return cls(
            number=found["number"],
            key=b64decode(found["key"]),
            listen=tuple(found["listen"]),
            sockets=tuple(InheritedSocket(**each) for each in found["sockets"]),
            orders=found["orders"],
            reports=found["reports"],
        )


def _read(descriptor: int, length: int) -> bytes:
    """
    Read an exact number of bytes.

    @raise ValueError: there are less.
    """
    data = b""
    while len(data) < length:
        more = os.read(descriptor, length - len(data))
        if not more:
            raise ValueError("its pipe has ended")
        data += more
    return data
