# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Everything that reads what a peer sends, fed with what no peer would send.

A target is a function that takes bytes and returns nothing; it raises when
something is wrong: any error but those that are documented, a result that
depends on how the bytes were cut, an encoding that is not the one it was read
from, memory that grows beyond its bound::

    target         the table of targets, and what they have in common
    addresses      varints, multibase, peer ids, multiaddrs
    keys           keys, envelopes, records
    negotiation    bootstrap and multistream-select
    securities     the handshakes, channels and certificates
    muxers         whole sessions of yamux and mplex
    messages       identify, and the file of a private network
    corpus         inputs worth to begin with, in C{corpus/*.hex}
    __main__       lets atheris search for more, guided by coverage

C{make test} runs each target a fixed number of times, C{make fuzz} as long as
you like.
"""
