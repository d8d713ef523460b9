# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The events of AutoTLS.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_libp2p.events import Event

__all__ = ["CertificateExpired", "CertificateFailed", "CertificateObtained"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CertificateObtained(Event):
    """
    New connections use a new certificate.

    @ivar name: the name that it is for.
    @ivar expires: the end of its validity, in seconds since 1970.
    """

    name: str
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CertificateFailed(Event):
    """
    A certificate was asked for without success.  The present one stays in use until it
    expires, and there will be another try.

    @ivar reason: L{NoCertificate<twisted_libp2p.errors.NoCertificate>}.
    @ivar retry: the seconds until the next try.
    """

    reason: BaseException
    retry: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CertificateExpired(Event):
    """
    The certificate has expired before there was another one: its addresses are no
    longer announced.

    @ivar name: the name that it was for.
    """

    name: str
