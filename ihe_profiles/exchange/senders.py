"""Senders of the settings, each with its mapping file."""

from dataclasses import replace

from config.hl7_mapping import AuthorityMapping, MessageMapping, load_mapping
from config.networks import is_within
from config.settings import Hl7SenderSettings, Settings
from hl7.ports import Caller, Sender


class KnownSenders:
    """hl7.ports.Senders. Reads the mapping files once. Raises SettingsError."""

    def __init__(self, settings: Settings) -> None:
        self._accept_unknown = settings.hl7.accept_unknown_senders
        self._settings = settings.hl7_senders
        self._authorities = {one.code: one.assigning_authority for one in settings.organisations}
        self._domains = {one.authority: one.universal_id for one in settings.identity_domains}
        known = [(one, self._sender(one)) for one in settings.hl7_senders]
        self._known = sorted(known, key=lambda pair: not pair[0].facility)
        self._unknown = self._named("", settings.hl7.organisation, None, MessageMapping())

    def sender(self, *, application: str, facility: str, caller: Caller) -> Sender | None:
        """The most exact that fits: application and facility, then application alone."""
        fitting = [
            (one, sender) for one, sender in self._known
            if one.application == application and one.facility in ("", facility)
        ]  # fmt: skip
        for one, sender in fitting:
            if _is_meant(one, caller):
                return sender
        is_taken = self._accept_unknown and not fitting and not caller.is_listed
        return self._unknown if is_taken else None

    def _sender(self, one: Hl7SenderSettings) -> Sender:
        return self._named(one.name, one.organisation, one.assigning_authority, load_mapping(one.mapping))

    def _named(self, name: str, organisation: str, authority: str | None, mapping: MessageMapping) -> Sender:
        """A sender speaks for its own authority and those of its mapping; for any, where there is one organisation."""
        own = authority or self._authorities[organisation]
        meant = frozenset((own, *(one.meant for one in mapping.authorities)))
        by_oid = tuple(AuthorityMapping(sent=oid, meant=name) for name, oid in self._domains.items())
        whole = replace(mapping, authorities=(*mapping.authorities, *by_oid))
        speaks_for = meant if len(self._authorities) > 1 else None
        return Sender(name, organisation, own, whole, speaks_for, self._domains)


def _is_meant(one: Hl7SenderSettings, caller: Caller) -> bool:
    """Whether who calls from there may speak as this sender: by its certificate, by its address."""
    shown = caller.certificate
    if one.certificate and not caller.is_vouched and not (shown is not None and shown.answers_to(one.certificate)):
        return False
    return is_within(caller.address, one.addresses) if one.addresses else not caller.is_listed
