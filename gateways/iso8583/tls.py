"""TLS on a link: the contexts of who listens and of who dials, client certificates optional.

TLS 1.2 is the least (PCI DSS 4.0, 4.2.1: strong cryptography; RFC 8996 retires what was before). A host proves itself
with its certificate; whoever listens with `member_authority` takes links only from certificates of that authority.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from engine.vocabulary.errors import BezantError


def listening_context(certificate: Path, key: Path, member_authority: Path | None = None) -> ssl.SSLContext:
    """For a listener. Files are PEM; `member_authority` None asks for no client certificate. Raises `BezantError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _prove(context, certificate, key)
    if member_authority is not None:
        _trust(context, member_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def dialling_context(authority: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """For who dials: `authority` (PEM) has signed the other side's certificate, which must name the host that is
    dialled; `certificate` and `key` (PEM) are shown if it asks. Raises `BezantError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _trust(context, authority)
    if certificate is not None:
        if key is None:
            raise BezantError(f"The certificate {certificate} needs its key beside it.")
        _prove(context, certificate, key)
    return context


def _trust(context: ssl.SSLContext, authority: Path) -> None:
    try:
        context.load_verify_locations(authority)
    except OSError as error:
        raise BezantError(f"Cannot read the authority {authority}: {_words(error)}.") from None


def _prove(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # An encrypted key would be asked for on the terminal: refuse it, a host starts alone.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise BezantError(f"Cannot use the certificate {certificate} with the key {key}: {_words(error)}.") from None


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "is not PEM").lower().replace("_", " ")
    return (getattr(error, "strerror", None) or "it cannot be read").lower()
