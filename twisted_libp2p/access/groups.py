# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Groups of peers, which a user keeps in a file.
"""

from __future__ import annotations

import tomllib

from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.identity import PeerID

__all__ = ["Groups", "parseGroups", "readGroups"]

#: The members of groups, by the names of the groups.
Groups = dict[str, frozenset[PeerID]]


def readGroups(path: str) -> Groups:
    """
    Read a file of groups.

    @raise ConfigurationError: it cannot be read, or is malformed; one line.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return parseGroups(file.read())
    except (OSError, UnicodeError, ConfigurationError) as error:
        raise ConfigurationError(f"the groups in {path}: {error}") from None


def parseGroups(text: str) -> Groups:
    """
    Parse the text of a file, in TOML: C{family = ["12D3KooW...", ...]}.

    @raise ConfigurationError: it is malformed.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(error)) from None
    groups: Groups = {}
    for name, members in tables.items():
        if not isinstance(members, list):
            raise ConfigurationError(
                f'{name} has to be a list of peer ids: {name} = ["12D3KooW..."]'
            )
        try:
            groups[name] = frozenset(PeerID.of(each) for each in members)
        except InvalidInput as error:
            raise ConfigurationError(f"{name}: {error}") from None
    return groups
