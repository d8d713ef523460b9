# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the answers of gateways that map ports.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from urllib.parse import urlsplit

from tests.fuzz.target import target
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.portmap import natpmp, pcp, soap, ssdp

__all__ = ["deviceDescriptions", "portAnswers", "searchAnswers", "soapAnswers"]

_GATEWAY = IPv4Address("10.1.0.1")


@target
def portAnswers(data: bytes) -> None:
    """
    An answer of NAT-PMP or PCP is a violation, or has values in their range.
    """
    for read in (natpmp.Answer.fromBytes, pcp.Answer.fromBytes):
        try:
            answer = read(data)
        except ProtocolViolation:
            continue
        assert 0 <= answer.public < 1 << 16
        assert 0 <= answer.lifetime < 1 << 32


@target
def searchAnswers(data: bytes) -> None:
    """
    The answer to a search for a device leads to the gateway, or nowhere.
    """
    try:
        url = ssdp.onlyAt(ssdp.location(data), _GATEWAY)
    except ProtocolViolation:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.hostname) == ("http", str(_GATEWAY))
    assert len(url) <= ssdp.MAX_URL


@target
def deviceDescriptions(data: bytes) -> None:
    """
    The description of a device names a service that maps ports, or is a violation.
    """
    try:
        found = soap.control(data, f"http://{_GATEWAY}/root.xml")
    except ProtocolViolation:
        return
    assert found.service in soap.SERVICES
    assert found.url


@target
def soapAnswers(data: bytes) -> None:
    """
    The values of an answer of a device are short, or it is a violation.
    """
    try:
        found = soap.fields(data)
    except ProtocolViolation:
        return
    assert all(len(each) <= soap.MAX_VALUE for each in found.values())
