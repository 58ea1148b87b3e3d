"""Organisations and application entities: who a peer is, and what it may see and do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address, ip_network

from config.interfaces import SERVICES
from config.settings import RemoteAESettings, Settings
from pacsd.access.scope import Rejected, Scope


class Refusal(Enum):
    """Why an association is refused (PS3.8 Table 9-21, DICOM UL service-user reasons)."""

    CALLING_TITLE = "calling AE title not recognized"
    CALLED_TITLE = "called AE title not recognized"


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer as the archive sees it: on whose behalf it stores, and what it may see."""

    title: str
    organisation: int
    organisation_code: str
    assigning_authority: str             # of patient ids that name no issuer
    scope: Scope
    services: frozenset[str] = frozenset(SERVICES)
    character_set: str | None = None     # overrides what the peer's objects and identifiers declare


class Directory:
    """The organisations and AEs of the settings, joined with the keys the index gave the organisations."""

    def __init__(self, settings: Settings, organisation_keys: Mapping[str, int]) -> None:
        self._settings = settings
        self._keys = organisation_keys
        self._organisations = {one.code: one for one in settings.organisations}
        self._own = {one.title: one for one in settings.own_aes}
        self._remotes: dict[str, list[RemoteAESettings]] = {}
        for remote in settings.remote_aes:
            self._remotes.setdefault(remote.title, []).append(remote)

    def organisation_key(self, code: str) -> int:
        """The index's key of an organisation. Raises KeyError for a code that is not configured."""
        return self._keys[code]

    def scope(self, code: str, rejected: Rejected = Rejected.HIDE) -> Scope:
        """What readers of an organisation see: its own studies, and those of organisations that opened theirs to it."""
        codes = (code, *self._organisations[code].reads)
        return Scope(tuple(self._keys[one] for one in codes), self._keys[code], rejected)

    def everybody(self) -> Scope:
        """What the platform itself sees: all of it."""
        keys = tuple(self._keys[code] for code in self._organisations)
        return Scope(organisations=keys, own=keys[0])

    def peer(self, *, calling: str, called: str, address: str) -> Peer | Refusal:
        """Who opens an association (PS3.8 7.1.1): titles without padding, address as text."""
        own = self._own.get(called)
        if own is None:
            return Refusal.CALLED_TITLE
        known = self._remotes.get(calling)
        if known is None:
            if not self._settings.dimse.accept_unknown_callers:
                return Refusal.CALLING_TITLE
            return self._peer(calling, own.organisation, Rejected(own.rejected))
        for remote in known:
            if _address_allowed(remote, address):
                return self._remote_peer(remote, Rejected(remote.rejected or own.rejected))
        return Refusal.CALLING_TITLE

    def remote(self, title: str, asker: Peer | None = None) -> RemoteAESettings | None:
        """Where to reach an AE by title: the asker's own organisation's first, else the first configured."""
        known = self._remotes.get(title, [])
        own = [one for one in known if asker is not None and one.organisation == asker.organisation_code]
        return next(iter(own or known), None)

    def of_organisation(self, title: str, organisation: int) -> RemoteAESettings | None:
        """Where to reach an organisation's own AE of this title: another's is somebody else."""
        known = self._remotes.get(title, [])
        return next((one for one in known if self._keys[one.organisation] == organisation), None)

    def own_title(self, code: str) -> str:
        """The title under which this server speaks for an organisation."""
        return next((title for title, one in self._own.items() if one.organisation == code), self._settings.ae_title)

    def web_reader(self) -> Peer:
        """On whose behalf an unauthenticated web client acts (the organisation named in the web settings)."""
        return self.acting(self._settings.web.organisation)

    def knows(self, code: str) -> bool:
        """Whether an organisation is one of the settings."""
        return code in self._organisations

    def acting(self, code: str) -> Peer:
        """A web client that acts for an organisation."""
        return self._peer("", code, Rejected(self._settings.web.rejected))

    def member(self, code: str) -> Peer:
        """A peer that acts for a whole organisation, as the command line does."""
        return self._peer("", code)

    def _remote_peer(self, remote: RemoteAESettings, rejected: Rejected) -> Peer:
        organisation = self._organisations[remote.organisation]
        return Peer(
            title=remote.title,
            organisation=self._keys[remote.organisation],
            organisation_code=remote.organisation,
            assigning_authority=remote.assigning_authority or organisation.assigning_authority,
            scope=self.scope(remote.organisation, rejected),
            services=frozenset(remote.services),
            character_set=remote.character_set,
        )

    def _peer(self, title: str, code: str, rejected: Rejected = Rejected.HIDE) -> Peer:
        return Peer(
            title=title,
            organisation=self._keys[code],
            organisation_code=code,
            assigning_authority=self._organisations[code].assigning_authority,
            scope=self.scope(code, rejected),
        )


def _address_allowed(remote: RemoteAESettings, address: str) -> bool:
    if not remote.addresses:
        return True
    source = ip_address(address)
    return any(source in ip_network(one, strict=False) for one in remote.addresses)
