"""Connections to HL7 destinations inside TLS (IHE ITI-19)."""

from config.settings import Hl7DestinationSettings, TlsSettings
from hl7.client import Dial
from pacsd.access.secure_connection import SecureConnection, dialled
from pacsd.access.tls import TlsContexts
from pacsd.faults import PacsdError


def dial_of(destination: Hl7DestinationSettings, settings: TlsSettings) -> Dial | None:
    """How the destination is called; None for one that is called in plain text."""
    if not destination.tls:
        return None
    contexts = TlsContexts(settings)

    def dial(host: str, port: int, timeout_s: float) -> SecureConnection:
        try:
            return dialled(contexts, host, port, certificate=destination.certificate, timeout_s=timeout_s)
        except PacsdError as error:
            raise ConnectionError(error.message) from error

    return dial
