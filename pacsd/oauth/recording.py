"""What is recorded of signing in and out (PS3.15 A.5.3, "User Authentication"; IHE ITI TF-2 3.20), before the answer;
and of patients that people look for here, or that programs launch apps with.

A refusal is recorded once in a while for a name from one address, and counted: guessing does not fill the disk.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from pacsd.access.principal import PatientKey, Principal
from pacsd.audit.codes import DCM, LOGIN, LOGOUT, Action, Code, Event, Kind, Outcome
from pacsd.audit.message import Agent, AuditMessage, AuditObject, agents, patient
from pacsd.audit.trail import Recorder, Unrecorded, now
from pacsd.index.oauth_users import User

PICKER = Code("patient-picker", "urn:pacsd:oauth", "Patient picker")
LAUNCH = Code("launch", "urn:pacsd:oauth", "Launch")
USER_SECURITY = Code("110137", DCM, "User Security Attributes Changed")
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Recording:
    """Records for one process; `source`: as whom. All raise PacsdError UNAVAILABLE: then nobody is let in."""

    recorder: Recorder = field(default_factory=Unrecorded)
    source: str = "PACSD"

    def entered(self, who: str, *, organisation: str, address: str, name: str = "") -> None:
        """A person who signed in whole, or a client that was given a token for itself."""
        self.recorder.write(self._message(LOGIN, Outcome.SUCCESS, Agent(
            who, requestor=True, name=name, organisation=organisation, address=address)))  # fmt: skip

    def left(self, who: str, *, organisation: str, address: str, name: str = "") -> None:
        """A person who signed out."""
        self.recorder.write(self._message(LOGOUT, Outcome.SUCCESS, Agent(
            who, requestor=True, name=name, organisation=organisation, address=address)))  # fmt: skip

    def refused(self, who: str, *, address: str, reason: str, organisation: str = "") -> None:
        """Somebody who did not prove who they say they are; `who` is what they say."""
        agent = Agent(who[:_MAX_NAME] or "anonymous", requestor=True, organisation=organisation, address=address)
        message = self._message(LOGIN, Outcome.MINOR_FAILURE, agent, reason)
        key: Hashable = ("oauth", agent.user_id, address, reason)
        recorded = self.recorder.begin(lambda: [message], key=key)
        if recorded is not None:
            recorded.result()

    def changed(self, user: User, what: str, *, address: str) -> None:
        """A person changed how they prove who they are, before that counts (PS3.15 A.5.3.11)."""
        agent = Agent(user.username, requestor=True, name=user.name, organisation=user.organisation, address=address)
        self.recorder.write(AuditMessage(
            Event.SECURITY_ALERT, Action.EXECUTE, now(), types=(USER_SECURITY,), agents=(agent, Agent(self.source)),
            reason=what))  # fmt: skip

    def searched(self, who: Principal, text: str, found: Sequence[PatientKey], *, address: str) -> None:
        """A person looked for a patient to begin an app with, and sees these."""
        objects = (AuditObject(Kind.QUERY, "", query=text.encode()), *map(_patient, found))
        self.recorder.write(self._about(Event.QUERY, Action.EXECUTE, PICKER, who, address, objects))

    def launched(
        self, who: Principal, key: PatientKey | None, *, encounter: str, address: str, missed: str = ""
    ) -> None:
        """A program made the context of a launch; or named a patient, `missed`, who is not there for it."""
        objects = () if key is None else (_patient(key),)
        if missed:
            objects = (AuditObject(Kind.QUERY, "", query=missed.encode()),)
        if encounter:
            objects = (*objects, AuditObject(Kind.RESOURCE, f"Encounter/{encounter}"))
        outcome = Outcome.MINOR_FAILURE if missed else Outcome.SUCCESS
        self.recorder.write(self._about(Event.PATIENT_RECORD, Action.READ, LAUNCH, who, address, objects, outcome))

    def _about(
        self, event: Event, action: Action, kind: Code, who: Principal, address: str, objects: tuple[AuditObject, ...],
        outcome: Outcome = Outcome.SUCCESS,
    ) -> AuditMessage:  # fmt: skip
        return AuditMessage(event, action, now(), outcome, types=(kind,), objects=objects, purpose=who.purpose,
                            agents=agents(replace(who, address=address), ours=self.source))  # fmt: skip

    def _message(self, kind: Code, outcome: Outcome, agent: Agent, reason: str = "") -> AuditMessage:
        return AuditMessage(Event.USER_AUTHENTICATION, Action.EXECUTE, now(), outcome, types=(kind,),
                            agents=(agent, Agent(self.source)), reason=reason)  # fmt: skip


def _patient(key: PatientKey) -> AuditObject:
    return patient(key.assigning_authority, key.patient_id)
