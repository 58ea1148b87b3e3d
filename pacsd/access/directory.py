"""Organisations and application entities: who a peer is, and what it may see and do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

from config.interfaces import SERVICES, OrganisationSettings
from config.networks import is_within
from config.settings import RemoteAESettings, Settings
from pacsd.access.followed import Followed
from pacsd.access.known import Known
from pacsd.access.origin import Origin
from pacsd.access.principal import Principal, Proof
from pacsd.access.register import Caller, Register
from pacsd.access.scope import Rejected, Scope

K = TypeVar("K")
V = TypeVar("V")


class Refusal(Enum):
    """Why an association is refused (PS3.8 Table 9-21, DICOM UL service-user reasons)."""

    CALLING_TITLE = "calling AE title not recognized"
    CALLED_TITLE = "called AE title not recognized"
    IDENTITY = "user or AE is not who it says"
    UNAVAILABLE = "cannot be found out now"


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
    principal: Principal | None = None   # who that is, where it was found out
    call: "Call | None" = field(default=None, compare=False, repr=False)         # by which it became the peer


@dataclass(frozen=True, slots=True)
class Identity:
    """What an association says of its user. The fields are secrets: they show in no log."""

    kind: int
    primary: bytes = field(default=b"", repr=False)
    secondary: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """What opened an association, and what was known then: with it the peer can be asked for again."""

    calling: str
    called: str
    origin: Origin
    known: Known = field(repr=False)
    identity: Identity | None = None


class Directory:
    """The organisations and AEs of the settings and of the register, joined with the keys the index gave them.

    What a method answers holds for that moment: `learn` may come in between two of them. Mappings that it hands out
    follow what it learns.
    """

    def __init__(self, settings: Settings, organisation_keys: Mapping[str, int]) -> None:
        self._settings = settings
        self._known = Known(settings, dict(organisation_keys))
        self._own = {one.title: one for one in settings.own_aes}
        self.keys: Mapping[str, int] = self.followed(lambda: {one: self._known.keys[one] for one in self.organisations})
        self.codes: Mapping[int, str] = self.followed(lambda: {key: code for code, key in self.keys.items()})

    def learn(self, organisation_keys: Mapping[str, int], register: Register) -> None:
        """Know this register from now on, instead of the one before."""
        self._known = Known(self._settings, dict(organisation_keys), register)

    def followed(self, make: Callable[[], Mapping[K, V]]) -> Mapping[K, V]:
        """What is made of the directory, made again after it learned."""
        return Followed(self.known, make)

    def known(self) -> Known:
        """All that is known at this moment."""
        return self._known

    @property
    def organisations(self) -> Mapping[str, OrganisationSettings]:
        """All there are, by code."""
        return self._known.organisations

    def remotes(self) -> tuple[RemoteAESettings, ...]:
        """Every AE that can be reached."""
        return self._known.remotes

    def character_set(self, organisation: str, title: str) -> str | None:
        """What is stated of the objects of an organisation's AE, where these declare it wrongly."""
        callers = self._known.callers.get(title, ())
        return next((one.character_set for one in callers if one.organisation == organisation), None)

    def organisation_key(self, code: str) -> int:
        """The index's key of an organisation. Raises KeyError for a code that is not known."""
        return self._known.keys[code]

    def scope(self, code: str, rejected: Rejected = Rejected.HIDE) -> Scope:
        """What readers of an organisation see: its own studies, and those of organisations that opened theirs to it."""
        known = self._known
        codes = (code, *known.organisations[code].reads)
        return Scope(tuple(known.keys[one] for one in codes), known.keys[code], rejected)

    def everybody(self) -> Scope:
        """What the platform itself sees: all of it."""
        known = self._known
        keys = tuple(known.keys[code] for code in known.organisations)
        return Scope(organisations=keys, own=keys[0])

    def peer(self, *, calling: str, called: str, origin: Origin) -> Peer | Refusal:
        """Who opens an association (PS3.8 7.1.1): titles without padding.

        What it says of its user is not looked at here: pacsd.access.callers does.
        """
        own = self._own.get(called)
        if own is None:
            return Refusal.CALLED_TITLE
        call = Call(calling, called, origin, self._known)
        known = call.known.callers.get(calling)
        if known is None:
            if not self._settings.dimse.accept_unknown_callers or origin.is_listed:
                return Refusal.CALLING_TITLE
            return replace(self._peer(calling, own.organisation, Rejected(own.rejected)), call=call)
        for caller in known:
            if _is_meant(caller, origin):
                return replace(self._calling_peer(caller, Rejected(caller.rejected or own.rejected)), call=call)
        return Refusal.CALLING_TITLE

    def renewed(self, peer: Peer) -> Peer:
        """The same: what whole organisations see does not change."""
        return peer

    def proof(self, title: str, code: str) -> Proof:
        """What a caller has proven that was taken for an AE of an organisation: it has the certificate the AE is bound
        to, or calls from one of its addresses, or neither is asked for."""
        known = [one for one in self._known.callers.get(title, ()) if one.organisation == code]
        if known and all(one.certificate for one in known):
            return Proof.CERTIFICATE
        return Proof.ADDRESS if known and all(one.addresses or one.certificate for one in known) else Proof.NOTHING

    def remote(self, title: str, asker: Peer | None = None) -> RemoteAESettings | None:
        """Where to reach an AE by title: the asker's own organisation's, else the first of the settings, else one that
        was registered. Where AEs of several organisations have the title nobody's word sends it to one of them."""
        known = self._titled(title)
        own = [one for one in known if asker is not None and one.organisation == asker.organisation_code]
        named = [one for one in known if one in self._settings.remote_aes]
        found = next(iter(own or named or known), None)
        return found if own or named or len(self._having(title)) == 1 else None

    def _having(self, title: str) -> set[str]:
        """Whose AEs have a title, whether they call by it or are reached."""
        calling = {one.organisation for one in self._known.callers.get(title, ())}
        return calling | {one.organisation for one in self._titled(title)}

    def of_organisation(self, title: str, organisation: int) -> RemoteAESettings | None:
        """Where to reach an organisation's own AE of this title: another's is somebody else."""
        keys = self._known.keys
        return next((one for one in self._titled(title) if keys[one.organisation] == organisation), None)

    def own_title(self, code: str) -> str:
        """The title under which this server speaks for an organisation."""
        return next((title for title, one in self._own.items() if one.organisation == code), self._settings.ae_title)

    def web_reader(self) -> Peer:
        """On whose behalf an unauthenticated web client acts (the organisation named in the web settings)."""
        return self.acting(self._settings.web.organisation)

    def knows(self, code: str) -> bool:
        """Whether there is an organisation of this code."""
        return code in self._known.organisations

    def acting(self, code: str) -> Peer:
        """A web client that acts for an organisation."""
        return self._peer("", code, Rejected(self._settings.web.rejected))

    def member(self, code: str) -> Peer:
        """A peer that acts for a whole organisation, as the command line does."""
        return self._peer("", code)

    def _titled(self, title: str) -> list[RemoteAESettings]:
        return [one for one in self._known.remotes if one.title == title]

    def _calling_peer(self, caller: Caller, rejected: Rejected) -> Peer:
        known = self._known
        organisation = known.organisations[caller.organisation]
        return Peer(
            title=caller.title,
            organisation=known.keys[caller.organisation],
            organisation_code=caller.organisation,
            assigning_authority=caller.assigning_authority or organisation.assigning_authority,
            scope=self.scope(caller.organisation, rejected),
            services=frozenset(caller.services),
            character_set=caller.character_set,
        )

    def _peer(self, title: str, code: str, rejected: Rejected = Rejected.HIDE) -> Peer:
        known = self._known
        return Peer(
            title=title,
            organisation=known.keys[code],
            organisation_code=code,
            assigning_authority=known.organisations[code].assigning_authority,
            scope=self.scope(code, rejected),
        )


def _is_meant(caller: Caller, origin: Origin) -> bool:
    """Whether who calls from there may have the AE's title: by its certificate, by its address."""
    if caller.certificate and not (origin.certificate and origin.certificate.answers_to(caller.certificate)):
        return False
    if not caller.addresses:
        return not origin.is_listed
    return is_within(origin.address, caller.addresses)
