# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The choice of the backend: by its name, or the quickest installed one.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from twisted.python.reflect import namedAny

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IQuicBackend
from twisted_libp2p.logger import Logger
from twisted_libp2p.quic.selftest import test

__all__ = ["AUTO", "BACKENDS", "backendNamed", "installed"]

#: The name that stands for the first installed backend.
AUTO = "auto"

#: The backends by name, the quickest first: the class, the package that it needs, and
#: how to install that.
BACKENDS = {
    "native": (
        "twisted_libp2p.quic.native.NativeBackend",
        "twisted_libp2p_native",
        "make native, in a checkout",
    ),
    "aioquic": (
        "twisted_libp2p.quic.aioquic.backend.AioquicBackend",
        "aioquic",
        "pip install 'twisted-libp2p[quic]'",
    ),
}

_log = Logger()
_tested: dict[str, IQuicBackend] = {}


def installed(name: str = AUTO) -> bool:
    """
    Return whether a backend is installed; none is imported for this.

    @param name: of L{BACKENDS}, or L{AUTO} for any of them.
    """
    names = BACKENDS if name == AUTO else (name,)
    return any(find_spec(BACKENDS[each][1]) is not None for each in names)


def backendNamed(name: str = AUTO) -> IQuicBackend:
    """
    Return a backend that has passed its self-test, which runs once in a process.

    @param name: of L{BACKENDS}, or L{AUTO}.
    @raise ConfigurationError: there is no such backend, it is not installed, it cannot
        be imported, or it fails the self-test; no other backend is tried instead then.
    """
    if name != AUTO and name not in BACKENDS:
        raise ConfigurationError(
            f"no QUIC backend {name!r}: choose from {', '.join((AUTO, *BACKENDS))}"
        )
    names = tuple(BACKENDS) if name == AUTO else (name,)
    for each in names:
        if each in _tested:
            return _tested[each]
        where, package, install = BACKENDS[each]
        if find_spec(package) is None and each != names[-1]:
            continue
        try:
            make: Any = namedAny(where)
        except Exception as error:
            # A broken one is not passed over in silence.
            raise ConfigurationError(
                f"QUIC needs a backend: {install} ({error})"
            ) from error
        backend: IQuicBackend = make()
        test(backend)
        _tested[each] = backend
        _log.info(
            "QUIC by {name} {version}", name=backend.name, version=backend.version
        )
        return backend
    raise AssertionError("there are backends")
