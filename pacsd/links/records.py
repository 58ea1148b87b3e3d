"""What is recorded of links: each that is made or ends, each use, each refusal (PS3.15 A.5.3.11, "Security Alert").

A link is named in records, its token never.
"""

from dataclasses import dataclass, field

from pacsd.access.principal import Principal
from pacsd.audit.codes import DESTINATION_ROLE, SOURCE_ROLE, Action, Code, Event, Kind, Outcome
from pacsd.audit.message import Agent, AuditMessage, AuditObject, agents, patient
from pacsd.audit.trail import Recorder, Unrecorded, now
from pacsd.links.link import Link

_SYSTEM = "urn:pacsd:link"
MADE, REVOKED = Code("link-made", _SYSTEM, "Link made"), Code("link-revoked", _SYSTEM, "Link revoked")
OPENED, REFUSED = Code("link-opened", _SYSTEM, "Link opened"), Code("link-refused", _SYSTEM, "Link refused")
TOLD = Code("link-told", _SYSTEM, "Link sent")
CLOSED, REOPENED = Code("film-closed", _SYSTEM, "Film closed"), Code("film-reopened", _SYSTEM, "Film reopened")


@dataclass(frozen=True, slots=True)
class LinkRecords:
    """Records for one process; `source`: as whom. All raise PacsdError UNAVAILABLE: then nothing may be answered."""

    recorder: Recorder = field(default_factory=Unrecorded)
    source: str = "PACSD"

    def by(
        self, principal: Principal, kind: Code, link: Link | None = None, *, study: str = "", reason: str = ""
    ) -> None:
        """Something that somebody did who is known."""
        objects = _objects(link) if link is not None else (AuditObject(Kind.STUDY, study),)
        self._done(principal, kind, objects, reason)

    def named(self, principal: Principal, kind: Code, name: str, *, reason: str) -> None:
        """The same, of a link by its name."""
        self._done(principal, kind, (AuditObject(Kind.URI, name),), reason)

    def opened(self, link: Link, code: str, *, address: str) -> None:
        """Somebody opened it; `code`: of its organisation."""
        agent = Agent(subject_of(link.name), requestor=True, organisation=code, address=address, role=SOURCE_ROLE)
        self.recorder.write(self._message(OPENED, Outcome.SUCCESS, agent, _objects(link)))

    def refused(self, link: Link | None, *, address: str, reason: str) -> None:
        """Somebody was not let in. Of what is no link the same from one address is counted."""
        who = "anonymous" if link is None else subject_of(link.name)
        agent = Agent(who, requestor=True, address=address, role=SOURCE_ROLE)
        message = self._message(REFUSED, Outcome.MINOR_FAILURE, agent, _objects(link), reason)
        if link is not None:
            self.recorder.write(message)
        elif (recorded := self.recorder.begin(lambda: [message], key=("link", address, reason))) is not None:
            recorded.result()

    def ended(self, link: Link, *, address: str, reason: str) -> None:
        """It ends by what somebody did who was not let in."""
        agent = Agent(subject_of(link.name), requestor=True, address=address, role=SOURCE_ROLE)
        self.recorder.write(self._message(REVOKED, Outcome.SUCCESS, agent, _objects(link), reason))

    def told(self, name: str, channel: str, *, outcome: Outcome = Outcome.SUCCESS, reason: str = "") -> None:
        """A link went out by a channel, or could not."""
        agent = Agent(self.source, requestor=True, role=SOURCE_ROLE)
        objects = (AuditObject(Kind.URI, name, details={"channel": channel}),)
        self.recorder.write(self._message(TOLD, outcome, agent, objects, reason))

    def _done(self, principal: Principal, kind: Code, objects: tuple[AuditObject, ...], reason: str) -> None:
        self.recorder.write(AuditMessage(
            Event.SECURITY_ALERT, Action.UPDATE, now(), types=(kind,), agents=agents(principal, ours=self.source),
            objects=objects, reason=reason,
        ))  # fmt: skip

    def _message(
        self, kind: Code, outcome: Outcome, agent: Agent, objects: tuple[AuditObject, ...], reason: str = ""
    ) -> AuditMessage:
        return AuditMessage(
            Event.SECURITY_ALERT, Action.EXECUTE, now(), outcome, types=(kind,),
            agents=(agent, Agent(self.source, role=DESTINATION_ROLE)), objects=objects, reason=reason,
        )  # fmt: skip


def subject_of(name: str) -> str:
    """As whom who opened a link stands in records."""
    return f"link {name}"


def _objects(link: Link | None) -> tuple[AuditObject, ...]:
    if link is None:
        return ()
    about = [AuditObject(Kind.STUDY, one) for one in link.studies]
    if link.patient is not None:
        about.insert(0, patient(link.patient.assigning_authority, link.patient.patient_id))
    return (*about, AuditObject(Kind.URI, link.name))
