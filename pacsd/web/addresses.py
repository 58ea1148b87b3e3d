"""The URLs this server gives out, and the UIDs it takes in with them."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.requests import HTTPConnection, Request

from config.networks import is_address, plain
from pacsd.faults import Fault, PacsdError
from pacsd.web.problem import bad_request

DICOM_WEB = "/dicom-web"

_DEFAULT_PORTS = (80, 443)
_MOST_PROXIES = 20                       # one behind the other
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")     # what the archive can keep: PS3.5 9.1, and its odd cousins


class Addresses:
    """Where clients reach this server: the configured public URL, else what their request names.

    X-Forwarded-Proto and X-Forwarded-Host count only when they come from one of `trusted_proxies` (CIDRs).
    """

    def __init__(self, *, public_url: str | None = None, trusted_proxies: Iterable[str] = ()) -> None:
        self._public_url = None if public_url is None else public_url.rstrip("/").removesuffix(DICOM_WEB)
        self._proxies = tuple(ip_network(one, strict=False) for one in trusted_proxies)

    def dicom_web(self, request: Request) -> str:
        """Base URI of the DICOMweb service (PS3.18 8.1), without trailing slash."""
        try:
            return self.origin(request) + DICOM_WEB
        except PacsdError as error:
            raise bad_request(error.message) from error

    def origin(self, request: HTTPConnection) -> str:
        """What URLs of this server begin with, without trailing slash. Raises PacsdError MALFORMED."""
        if self._public_url is not None:
            return self._public_url
        scheme, authority = self._from_request(request)
        if not _AUTHORITY.fullmatch(authority):
            raise PacsdError(Fault.MALFORMED, "the Host header is missing or not an authority")
        return f"{scheme}://{authority}"

    def client(self, request: HTTPConnection) -> str:
        """The address a request comes from: of the connection or, as trusted proxies say one after the other
        (X-Forwarded-For), the last that is none of them."""
        address = plain((request.scope.get("client") or ("",))[0])
        if not self._proxies:
            return address
        said = ",".join(request.headers.getlist("x-forwarded-for"))
        for before in reversed(said.split(",")[-_MOST_PROXIES:]):
            told = plain(before.strip().strip("[]"))
            if not _is_within(address, self._proxies) or not is_address(told):
                break
            address = told
        return address

    def _from_request(self, request: HTTPConnection) -> tuple[str, str]:
        headers = request.headers
        scheme, authority = request.scope["scheme"], _with_port(headers.get("host", ""), _own_authority(request))
        if self._proxies and _is_within(request.client.host if request.client else "", self._proxies):
            forwarded = headers.get("x-forwarded-proto", scheme).split(",")[-1].strip().lower()
            scheme = forwarded if forwarded in ("http", "https") else scheme
            authority = headers.get("x-forwarded-host", authority).split(",")[-1].strip()
        return scheme, authority


def uid(request: Request, name: str) -> str:
    """A UID of the path. Raises HttpError 400 for what can be none."""
    return uid_of(request.path_params[name], f"the {name} in the path")


def uid_of(value: str, name: str) -> str:
    """A UID that a client gives. Raises HttpError 400 for what can be none."""
    if not _UID.fullmatch(value):
        raise bad_request(f"{name} is not a UID")
    return value


def _with_port(asked: str, own: str) -> str:
    """The authority a client names. Some (dicomweb-client) leave out the port: where they name our very address, or
    this machine by name, it is put back."""
    if not asked:
        return own
    host, _, port = own.rpartition(":")
    local = asked == "localhost" and host in ("127.0.0.1", "[::1]")
    return f"{asked}:{port}" if port and (asked == host or local) else asked


def _own_authority(request: HTTPConnection) -> str:
    host, port = request.scope.get("server") or ("", None)
    if port is None:                     # a Unix socket
        return ""
    if port in _DEFAULT_PORTS:
        return f"[{host}]" if ":" in host else str(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@lru_cache(maxsize=256)
def _is_within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        source = ip_address(plain(address))
    except ValueError:
        return False
    return any(source in network for network in networks)
