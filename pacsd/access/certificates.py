"""A private certification authority (RFC 5280), for tests and for sites that have none: PEM in, PEM out.

Keys are ECDSA on P-256 (RFC 9325 4.5 asks for 112 bits of strength; this has 128). A revocation list is good as long
as the authority itself: nobody at a small site would renew it every week, and an outdated list refuses everybody.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pacsd.faults import Fault, PacsdError

_BEFORE = timedelta(minutes=5)           # clocks of other machines may be behind
_USES = {
    "server": (ExtendedKeyUsageOID.SERVER_AUTH,),
    "client": (ExtendedKeyUsageOID.CLIENT_AUTH,),
    "ae": (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),     # opens associations, and takes them
}
USES = tuple(_USES)
_MOST_DAYS = 36_500
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL}){{0,30}}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,500}")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Described:
    """What stands in a certificate."""

    name: str
    names: tuple[str, ...]
    serial_number: int
    begins: datetime
    ends: datetime
    thumbprint: str


def new_authority(name: str, *, days: int, now: datetime | None = None) -> Issued:
    """A self-signed authority that may sign certificates of peers, and no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = _builder(subject, subject, key.public_key(), days, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return _pem(builder.sign(key, hashes.SHA256()), key)


def issue(
    authority: Issued, name: str, names: Sequence[str], *, use: str, days: int, now: datetime | None = None
) -> Issued:
    """A certificate for `names` (host names, addresses, URIs); `use`: server, client, ae.

    Raises PacsdError INVALID for a server without a name, MALFORMED for what is none.
    """
    if use != "client" and not names:
        raise PacsdError(Fault.INVALID, "a certificate for a server needs at least one host name or address")
    signer, signing = _read(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(name), signer.subject, key.public_key(), days, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(_USES[use]), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    builder = builder.add_extension(issuer, critical=False)
    if names:
        alternatives = x509.SubjectAlternativeName([_general_name(one) for one in names])
        builder = builder.add_extension(alternatives, critical=False)
    return _pem(builder.sign(signing, hashes.SHA256()), key)


def revocation_list(
    authority: Issued, revoked: Sequence[tuple[int, datetime]], *, now: datetime | None = None
) -> bytes:
    """The list, PEM: serial numbers and when each was revoked."""
    signer, signing = _read(authority)
    began = (now or datetime.now(UTC)) - _BEFORE
    builder = x509.CertificateRevocationListBuilder().issuer_name(signer.subject)
    builder = builder.last_update(began).next_update(max(signer.not_valid_after_utc, began + _BEFORE))
    builder = builder.add_extension(x509.CRLNumber(int(began.timestamp() * 1000)), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    builder = builder.add_extension(issuer, critical=False)
    for serial_number, at in revoked:
        one = x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(at).build()
        builder = builder.add_revoked_certificate(one)
    return builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def describe(certificate: bytes) -> Described:
    """What stands in the first certificate of a PEM text. Raises PacsdError MALFORMED."""
    try:
        read = x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise PacsdError(Fault.MALFORMED, "not a certificate in PEM") from error
    common = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Described(
        name=str(common[0].value) if common else read.subject.rfc4514_string(),
        names=_names_of(read),
        serial_number=read.serial_number,
        begins=read.not_valid_before_utc,
        ends=read.not_valid_after_utc,
        thumbprint=read.fingerprint(hashes.SHA256()).hex(),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int, now: datetime | None
) -> x509.CertificateBuilder:
    if not 1 <= days <= _MOST_DAYS:
        raise PacsdError(Fault.INVALID, f"a certificate is good for 1 to {_MOST_DAYS} days")
    begins = (now or datetime.now(UTC)) - _BEFORE
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(begins).not_valid_after(begins + _BEFORE + timedelta(days=days))


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=key_cert_sign, crl_sign=crl_sign,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as error:
        raise PacsdError(Fault.MALFORMED, "a name has 1 to 64 characters") from error


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    if _URI.fullmatch(text):
        return x509.UniformResourceIdentifier(text)
    if _HOST_NAME.fullmatch(text):
        return x509.DNSName(text)
    raise PacsdError(Fault.MALFORMED, f"{text!r} is neither a host name, an address nor a URI")


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(one.value) for one in extension.value)


def _read(authority: Issued) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate)
        key = serialization.load_pem_private_key(authority.key, None)
    except (ValueError, TypeError) as error:
        raise PacsdError(Fault.MALFORMED, "the authority's certificate or key cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PacsdError(Fault.UNSUPPORTED, "the authority's key is not one of ours (ECDSA)")
    return certificate, key


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(certificate.public_bytes(serialization.Encoding.PEM), text)
