"""Organisations and AEs as they are known at one moment: the settings, and the register beside them.

What stands in the settings wins: an entry of the register under the same name waits until it stands there no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from config.interfaces import OrganisationSettings, RemoteAESettings
from config.settings import Settings
from pacsd.access.register import Caller, Register, RegisteredAE, RegisteredOrganisation, caller_of


@dataclass(frozen=True)
class Known:
    """One moment's; what is asked of it stays the same however long that takes. `keys`: the index's, by code."""

    settings: Settings
    keys: Mapping[str, int]
    register: Register = field(default_factory=Register)

    @cached_property
    def registered(self) -> tuple[RegisteredOrganisation, ...]:
        """Organisations that the settings do not name."""
        named = {one.code for one in self.settings.organisations}
        return tuple(one for one in self.register.organisations if one.settings.code not in named)

    @cached_property
    def organisations(self) -> Mapping[str, OrganisationSettings]:
        """By code: those of the settings first."""
        named = (*self.settings.organisations, *(one.settings for one in self.registered))
        return {one.code: one for one in named if one.code in self.keys}

    @cached_property
    def entities(self) -> tuple[RegisteredAE, ...]:
        """AEs of organisations that are active, where the settings do not name them."""
        named = {(one.organisation, one.title) for one in self.settings.remote_aes}
        own = {one.title for one in self.settings.own_aes}
        silent = {one.settings.code for one in self.registered if not one.active}
        found = []
        for one in self.register.entities:
            organisation, title = name_of(one)
            served = organisation in self.organisations and organisation not in silent
            if served and title not in own and (organisation, title) not in named:
                found.append(one)
        return tuple(found)

    @cached_property
    def callers(self) -> Mapping[str, tuple[Caller, ...]]:
        """By title who may open associations."""
        found = [caller_of(one) for one in self.settings.remote_aes]
        found += sorted((one.caller for one in self.entities if one.caller is not None), key=_is_loose)
        by_title: dict[str, tuple[Caller, ...]] = {}
        for one in found:
            by_title[one.title] = (*by_title.get(one.title, ()), one)
        return by_title

    @cached_property
    def remotes(self) -> tuple[RemoteAESettings, ...]:
        """Who can be reached."""
        return (*self.settings.remote_aes, *(one.remote for one in self.entities if one.remote is not None))


def _is_loose(one: Caller) -> bool:
    """Whether nothing tells an AE from others of its title: of those registered it comes behind all that are told."""
    return not (one.certificate or one.addresses)


def name_of(one: RegisteredAE) -> tuple[str, str]:
    """Organisation and title of an AE."""
    told = one.caller or one.remote
    return (told.organisation, told.title) if told is not None else ("", "")
