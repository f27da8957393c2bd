"""Where notices may be sent: public addresses, and the private networks that the operator allows (SSRF).

Addresses of webhooks, robots and gateways are settings, but names change: a host is looked up at each call, every address
that it has must be open, and the connection goes to the address that was checked, so that a name that answers
otherwise a moment later leads nowhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from django.conf import settings

from xiuhua.casework.trouble import Hopeless
from xiuhua.notify_channel import Network


class Unreachable(Exception):
    """No answer, or one that the other side's trouble explains: it is tried again."""


def is_open(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Whether an IP address may be called: a public one, or one in a network that the operator allows."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if inner is not None:
        ip = inner
    if any(ip in network for network in allowed if network.version == ip.version):
        return True
    return ip.is_global and not ip.is_multicast


def address_of(host: str, port: int) -> str:
    """The address to connect to. Raises `Hopeless` when any address of the host is not open, `Unreachable` without one."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise Unreachable(f"{host}: no address") from None
    if shut := [one for one in found if not is_open(one, settings.NOTIFY_PRIVATE)]:
        raise Hopeless(f"{host}: {shut[0]} is not public, and not in XIUHUA_NOTIFY_PRIVATE")
    return sorted(found, key=lambda one: (":" in one, one))[0]
