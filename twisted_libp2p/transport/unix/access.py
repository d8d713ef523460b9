# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The texts that say who may connect to a Unix socket: its mode and its owner.
"""

from __future__ import annotations

from typing import Final

from twisted.python.reflect import namedModule

__all__ = ["MODE", "fileMode", "fileOwner"]

#: The mode of a socket by default: only processes of the same user may connect.
MODE: Final = 0o600

_LARGEST: Final = 0o777


def fileMode(text: str) -> int:
    """
    Read the mode of a file, in octal digits such as C{660}.

    @raise ValueError: it is something else.
    """
    octal = text.isascii() and text.isdigit() and not set(text) & set("89")
    if not octal or len(text) > 4 or int(text, 8) > _LARGEST:
        raise ValueError(f"{text!r} is not the mode of a socket: 600 or 660 is one")
    return int(text, 8)


def fileOwner(text: str) -> tuple[int, int]:
    """
    Read the owner of a file: a user, or a user and a group, such as C{www-data:adm}.

    @return: the numbers of both; -1 for one that stays as it is.
    @raise ValueError: there is no such user or group.
    """
    user, colon, group = text.partition(":")
    if not (user or group) or (colon and not group):
        raise ValueError(f"{text!r} is not an owner: write USER, USER:GROUP or :GROUP")
    return _userNumber(user), _groupNumber(group)


def _userNumber(name: str) -> int:
    if not name or name.isdigit():
        return int(name or -1)
    try:
        number: int = namedModule("pwd").getpwnam(name).pw_uid
    except (KeyError, ImportError):
        raise ValueError(f"there is no user {name!r} on this host") from None
    return number


def _groupNumber(name: str) -> int:
    if not name or name.isdigit():
        return int(name or -1)
    try:
        number: int = namedModule("grp").getgrnam(name).gr_gid
    except (KeyError, ImportError):
        raise ValueError(f"there is no group {name!r} on this host") from None
    return number
