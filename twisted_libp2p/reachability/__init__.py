# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Whether peers can dial this node: the addresses that they see, AutoNAT, and a verdict on
each address::

    observed    the addresses from which peers see us, without I/O
    tracker     the verdicts on our addresses, without I/O
    book        the limits of our answers to others, without I/O
    messages    the messages of AutoNAT
    asking      the stream of our question
    answering   the stream of our answer
    dialback    the two ends of the stream on the connection that a server opens
    prober      asks servers, and knows what to believe
    server      dials peers back that ask for it
    report      the verdicts in words
    service     joins all of these
"""
