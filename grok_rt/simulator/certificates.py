"""Certificates for one run of the simulator, good ones and bad ones, by `trustme`."""

from __future__ import annotations

import datetime
import ssl

from grok_rt.errors import MissingExtra

_ALSO = ("localhost", "127.0.0.1", "::1")
_OTHER = "elsewhere.invalid"


def certified(
    host: str, *, wrong_name: bool = False, expired: bool = False
) -> tuple[ssl.SSLContext, bytes]:
    """A server's context with a certificate for `host` and this machine, and who signed it.

    Args:
        host: where the server listens.
        wrong_name: the certificate is for another host.
        expired: it was good until yesterday.

    Raises:
        MissingExtra: `trustme` is not installed.
    """
    try:
        import trustme
    except ImportError as error:
        raise MissingExtra("trustme", "simulator", "A certificate for the simulator") from error
    names = (_OTHER,) if wrong_name else tuple(dict.fromkeys((host, *_ALSO)))
    day = datetime.timedelta(days=1)
    yesterday = datetime.datetime.now(datetime.timezone.utc) - day
    authority = trustme.CA(organization_name="grok_rt simulator")
    leaf = authority.issue_cert(
        *names,
        not_before=yesterday - 30 * day if expired else None,
        not_after=yesterday if expired else None,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context, authority.cert_pem.bytes()
