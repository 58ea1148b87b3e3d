"""What is registered beside the settings: said by whoever may, journalled, and learned by every process."""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from config.security import thumbprint
from config.settings import Settings
from pacsd.access.directory import Directory
from pacsd.access.register import Tells
from pacsd.archive.journal import Fact, FactKind
from pacsd.faults import Fault, PacsdError
from pacsd.index import organisations, register
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.register import EntityRow, OrganisationRow
from pacsd.index.work import Work

LOOK_S = 1.0                             # between two looks at whether anything was registered
Told = Mapping[str, Any]
log = logging.getLogger("pacsd.archive")


class RegisterWatch:
    """Has the directory of a process learn what is registered, by whichever process that was."""

    def __init__(self, pool: Pool, directory: Directory) -> None:
        self._pool = pool
        self._directory = directory
        self._version = -1
        self._stopped = threading.Event()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None

    def refresh(self) -> None:
        """Learn what is registered now. Raises PacsdError UNAVAILABLE."""
        with self._turn:
            version = register.version(self._pool)       # before it is read: what changes in between is read again
            if version != self._version:
                self._directory.learn(*register.read(self._pool))
                self._version = version

    def start(self) -> None:
        """Look again and again, until it is stopped."""
        self._thread = threading.Thread(target=self._run, name="register", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(LOOK_S)

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_S):
            try:
                self.refresh()
            except PacsdError as error:
                log.warning("the register cannot be read", extra={"fault": error.fault.value})
            except Exception as error:       # the thread's one catch-all
                log.error("the register was not learned", extra={"fault": "internal", "error": type(error).__name__})


@dataclass(frozen=True, slots=True)
class StatedOrganisation:
    """An organisation as its keeper has it."""

    code: str
    name: str
    assigning_authority: str
    active: bool


class Registration:
    """Registers organisations and AEs within the caller's unit of work; what the settings name is theirs alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._named = {one.code for one in settings.organisations}
        self._own_titles = {one.title for one in settings.own_aes}
        self._remotes = {(one.organisation, one.title) for one in settings.remote_aes}

    def state_organisation(self, work: Work, stated: StatedOrganisation, *, new: bool) -> None:
        """Register an organisation, or change one. Raises PacsdError CONFLICT, REFUSED."""
        connection = work.connection
        register.hold(connection)
        if stated.code in self._named:
            raise PacsdError(Fault.CONFLICT, "the settings name this organisation, and say what it is like")
        key = organisations.key_of(connection, stated.code)
        before = register.organisation(connection, key) if key is not None else None
        if new == (key is not None) or new == (before is not None):
            raise PacsdError(Fault.CONFLICT, "there is an organisation of this code, or was one")
        if before is not None and before.keeper != work.organisation:
            raise PacsdError(Fault.REFUSED, "another organisation keeps this one")
        self._must_be_free(work, stated.assigning_authority, stated.code)
        if key is None:
            key = register.add_organisation(connection, stated.code, stated.name, stated.assigning_authority)
        at = register.later(work.clock(), before.said_at if before is not None else None)
        work.facts.append(({
            "fact": FactKind.ORGANISATION.value, "organisation": stated.code, "name": stated.name,
            "assigning_authority": stated.assigning_authority, "active": stated.active,
            "keeper": organisations.code(connection, work.organisation),
        }, at))  # fmt: skip
        row = OrganisationRow(key, work.organisation, stated.active, at)
        register.say_organisation(connection, row, stated.name, stated.assigning_authority)

    def state_entity(
        self, work: Work, organisation: str, title: str, part: str, told: Told | None, *, new: bool = False
    ) -> None:
        """Register one `part` of an AE, `caller` or `remote`, or with None forget it; the other stays as it is.

        Raises PacsdError INVALID, CONFLICT, REFUSED.
        """
        connection = work.connection
        register.hold(connection)
        key = self._kept(work, organisation)
        if told is not None and title in self._own_titles:
            raise PacsdError(Fault.CONFLICT, "this server answers to that AE title itself")
        if told is not None and (organisation, title) in self._remotes:
            raise PacsdError(Fault.CONFLICT, "the settings name this AE, and say what it is like")
        before = register.entity(connection, key, title)
        parts: dict[str, Told | None] = {"caller": None, "remote": None}
        if before is not None:
            parts = {"caller": before.caller, "remote": before.remote}
        if before is not None and before.keeper != work.organisation and any(parts.values()):
            raise PacsdError(Fault.REFUSED, "another organisation keeps this AE")
        if new and parts[part] is not None:
            raise PacsdError(Fault.CONFLICT, "another resource registers this AE")
        if part == "caller" and told is not None:
            self._must_be_apart(connection, organisation, title, told)
        if told and (authority := told.get("assigning_authority")):
            self._must_be_free(work, authority, organisation)
        parts[part] = told
        if len({thumbprint(one) for each in parts.values() for one in register.certificate_of(each).values()}) > 1:
            raise PacsdError(Fault.CONFLICT, "the other resource of this AE names another certificate")
        at = register.later(work.clock(), before.said_at if before is not None else None)
        work.facts.append(({
            "fact": FactKind.APPLICATION_ENTITY.value, "organisation": organisation, "title": title,
            "keeper": organisations.code(connection, work.organisation), **parts,
        }, at))  # fmt: skip
        register.say_entity(connection, key, title, EntityRow(work.organisation, parts["caller"], parts["remote"], at))

    def _kept(self, work: Work, code: str) -> int:
        """The key of an organisation whose AEs the worker's may register: its own, or one that it keeps."""
        key = organisations.key_of(work.connection, code)
        if key is None:
            raise PacsdError(Fault.INVALID, "there is no such organisation")
        row = register.organisation(work.connection, key)
        if key != work.organisation and (code in self._named or row is None or row.keeper != work.organisation):
            raise PacsdError(Fault.REFUSED, "this is another organisation's")
        return key

    def _must_be_apart(self, connection: Connection, organisation: str, title: str, told: Told) -> None:
        """What calls by the title of another organisation's AE would be taken for it, if nothing tells them apart."""
        said = Tells.of(told)
        named = [(one.organisation, Tells(one.addresses, one.certificate))
                 for one in self._settings.remote_aes if one.title == title]  # fmt: skip
        for other, tells in (*named, *register.calling(connection, title)):
            if other != organisation and not said.is_apart_from(tells):
                raise PacsdError(Fault.CONFLICT, "another organisation's AE has that title: both have to name calling "
                                 "addresses that do not overlap, or thumbprints of certificates")  # fmt: skip

    def _must_be_free(self, work: Work, authority: str, code: str) -> None:
        """Who speaks for an assigning authority may change its patients: it is nobody's, or already its keeper's."""
        mine = {code, organisations.code(work.connection, work.organisation)}
        mine.update(register.kept_by(work.connection, work.organisation))
        claimed = {*self._claimed(authority), *register.claiming(work.connection, authority)}
        if claimed and claimed.isdisjoint(mine):
            raise PacsdError(Fault.CONFLICT, "another organisation speaks for this assigning authority")

    def _claimed(self, authority: str) -> Iterable[str]:
        """Organisations that speak for an authority by the settings."""
        yield from (one.code for one in self._settings.organisations if one.assigning_authority == authority)
        yield from (one.organisation for one in self._settings.remote_aes if one.assigning_authority == authority)
        yield from (one.organisation for one in self._settings.hl7_senders if one.assigning_authority == authority)


def appliers(pool: Pool, settings: Settings, learned: Callable[[], None]) -> dict[FactKind, Callable[[Fact], None]]:
    """How facts take effect again, after a crash or in a rebuild; `learned` has the directory know of it."""
    named = {one.code for one in settings.organisations}

    def apply(fact: Fact) -> None:
        with lent(pool) as connection, connection.transaction():
            register.hold(connection)
            _APPLIED[fact.kind](connection, fact, named)
        learned()

    return dict.fromkeys(_APPLIED, apply)


def _apply_organisation(connection: Connection, fact: Fact, named: Collection[str]) -> None:
    told: Told = fact.body
    if told["organisation"] in named:        # the settings took it over
        return
    name, authority = told["name"], told["assigning_authority"]
    key = register.add_organisation(connection, told["organisation"], name, authority)
    row = OrganisationRow(key, _keeper(connection, told), told["active"], fact.at)
    register.say_organisation(connection, row, name, authority)


def _apply_entity(connection: Connection, fact: Fact, _named: Collection[str]) -> None:
    told: Told = fact.body
    key = organisations.key_of(connection, str(told["organisation"]))
    if key is None:
        raise PacsdError(Fault.INTERNAL, f"organisation {told['organisation']} is not configured")
    row = EntityRow(_keeper(connection, told), told["caller"], told["remote"], fact.at)
    register.say_entity(connection, key, told["title"], row)


def _keeper(connection: Connection, told: Told) -> int:
    key = organisations.key_of(connection, told["keeper"])
    if key is None:
        raise PacsdError(Fault.INTERNAL, f"organisation {told['keeper']} is not configured")
    return key


_APPLIED: Mapping[FactKind, Callable[[Connection, Fact, Collection[str]], None]] = {
    FactKind.ORGANISATION: _apply_organisation, FactKind.APPLICATION_ENTITY: _apply_entity,
}  # fmt: skip
