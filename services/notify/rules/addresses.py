"""Which addresses webhooks may be sent to: public ones, and private ones that were allowed."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
# IPv6 addresses that carry an IPv4 address in their last 32 bits: NAT64 and its local form.
NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class Networks:
    """Networks that webhooks may reach although they are not public."""

    def __init__(self, text: str = "") -> None:
        """Reads networks separated by commas, such as 127.0.0.0/8,::1/128."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        self._networks: Sequence[IPv4Network | IPv6Network] = [ip_network(part) for part in parts]

    def __bool__(self) -> bool:
        """Whether any is allowed."""
        return bool(self._networks)

    def __contains__(self, address: Address) -> bool:
        """Whether the address lies in one of them."""
        return any(address in network for network in self._networks)


def address_refusal(text: str, allowed: Networks) -> str:
    """Returns why an IP address may not be reached; empty if it may."""
    address = _meant(ip_address(text.partition("%")[0]))
    if address in allowed:
        return ""
    local = isinstance(address, IPv6Address) and address.is_site_local
    if not address.is_global or address.is_multicast or address.is_reserved or local:
        return f"{text} is not a public address"
    return ""


def url_refusal(url: str, allowed: Networks) -> str:
    """Returns why nothing may be sent to a URL, as far as it tells by itself; empty if it may.

    A name may still stand for a private address: that is seen when it is resolved.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme != "https" and not (parts.scheme == "http" and allowed):
        return "must begin with https://"
    if not parts.hostname or port == 0:
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "must not carry a user or a password"
    if parts.fragment:
        return "must not carry a fragment"
    try:
        ip_address(parts.hostname)
    except ValueError:
        return ""
    return address_refusal(parts.hostname, allowed)


def _meant(address: Address) -> Address:
    """Returns the IPv4 address that an IPv6 address leads to, if it leads to one."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.teredo is not None:
        inner = address.teredo[1]
    if inner is None and any(address in network for network in NAT64):
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address
