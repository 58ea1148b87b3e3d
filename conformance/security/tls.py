"""IHE ATNA ITI-19, the BCP 195 option (ITI TF-2: 3.19.6; PS3.15 B.12; RFC 8996, RFC 9325): the port itself."""

import socket
import ssl
from contextlib import suppress

from conformance.fhir import expect
from conformance.judging import Failed, NotSupported, NotTested
from conformance.security.suite import Page, Site
from conformance.security.tls_port import Agreed, Port, older, with_suites

NODE = Page("iti-19", "ATNA: Authenticate Node (ITI-19)")

STRONG_1_2 = {                           # RFC 9325 4.2, by OpenSSL's names
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305",
    "DHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES256-GCM-SHA384",
}  # fmt: skip
WEAK = ("eNULL", "aNULL", "RC4", "3DES", "DES", "MD5", "EXPORT", "SEED", "IDEA", "kRSA",
        "AES128-SHA", "AES256-SHA256", "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA384")  # fmt: skip


def ports(site: Site) -> list[Port]:
    """Those to look at. Raises NotTested without."""
    if not site.ports:
        raise NotTested("the URL is not https, and no port is given")
    return list(site.ports)


def good(port: Port, version: ssl.TLSVersion) -> Agreed:
    """A handshake of a certain version. Raises NotSupported where it is refused."""
    context = port.context()
    context.minimum_version = context.maximum_version = version
    try:
        return port.agreed(context)
    except OSError as error:
        raise NotSupported(f"{port} does not speak {version.name}: {error}") from error


@NODE.must("current", "ITI-19 3.19.6.1.4, RFC 9325 3.1.1", "TLS 1.2 or 1.3 is spoken, with a strong suite")
def current(site: Site) -> None:
    for port in ports(site):
        found = []
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with suppress(NotSupported):
                found.append(good(port, version))
        expect.that(found, f"TLS 1.2 or 1.3 at {port}", "neither")
        for one in found:
            strong = one.suite in STRONG_1_2 or one.suite.startswith("TLS_")
            expect.that(strong, f"a suite of RFC 9325 at {port}", one.suite)


@NODE.should("newest", "RFC 9325 3.1.1", "TLS 1.3 is spoken")
def newest(site: Site) -> None:
    for port in ports(site):
        good(port, ssl.TLSVersion.TLSv1_3)


@NODE.must("older", "ITI-19 3.19.6.1.4, RFC 8996", "TLS 1.0 and 1.1 are refused")
def older_versions(site: Site) -> None:
    for port in ports(site):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            try:
                found = port.agreed(older(port.context(), version))
            except OSError:
                continue
            raise Failed(f"{port}: expected a refusal of {version.name}, got {found.suite}")


@NODE.must("suites", "RFC 9325 4.1", "Suites without forward secrecy, with CBC, or weaker, are refused")
def suites(site: Site) -> None:
    for port in ports(site):
        for weak in WEAK:
            context = with_suites(port.context(), weak)
            if context is None:
                continue
            try:
                found = port.agreed(context)
            except OSError:
                continue
            raise Failed(f"{port}: expected a refusal of {weak}, got {found.suite}")


@NODE.must("compression", "RFC 9325 3.3", "Nothing is compressed by TLS")
def compression(site: Site) -> None:
    for port in ports(site):
        with suppress(NotSupported):
            expect.same(None, good(port, ssl.TLSVersion.TLSv1_2).compression, "compression")


@NODE.must("certificate", "ITI-19 3.19.6.1, RFC 9325 6.1", "The certificate is its host's, of a trusted authority")
def certificate(site: Site) -> None:
    for port in ports(site):
        try:
            port.agreed(port.context())
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"{port}: expected a certificate that can be trusted, got {error.verify_message}") from error
        except OSError as error:
            raise Failed(f"{port}: expected a handshake, got {error}") from error


@NODE.must("mutual", "ITI-19 3.19.4.1", "A peer without a certificate is not let in where both prove who they are")
def mutual(site: Site) -> None:
    asking = [one for one in ports(site) if one.mutual]
    if not asking:
        raise NotTested("no port is given where both prove who they are (--mutual)")
    for port in asking:
        if port.certificate is not None:
            _enters(port)
        anonymous = ssl.create_default_context(cafile=port.authorities)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            anonymous.minimum_version, anonymous.maximum_version = ssl.TLSVersion.TLSv1_2, version
            expect.that(_is_out(port, anonymous), f"no connection to {port} without a certificate", "one")


def _enters(port: Port) -> None:
    try:
        with port.connected(port.context()) as connection:
            connection.settimeout(0.5)
            with suppress(TimeoutError):         # it waits for what is asked
                connection.recv(1)
    except OSError as error:
        raise Failed(f"{port}: expected that its certificate is taken, got {error}") from error


def _is_out(port: Port, context: ssl.SSLContext) -> bool:
    """In TLS 1.3 a client hears of its refusal with the first bytes that it reads."""
    try:
        with port.connected(context) as connection:
            connection.sendall(b"\0")
            return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@NODE.must("plain", "RFC 9325 3.2", "Plain text on the port is not answered as if it were inside TLS")
def plain(site: Site) -> None:
    for port in ports(site):
        with port.plain() as connection:
            said = b""
            with suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                said = connection.recv(100)
        expect.that(b" 200 " not in said[:20], "no answer of 200", said)
