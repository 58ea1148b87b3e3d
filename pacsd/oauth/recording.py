"""What is recorded of signing in and out (PS3.15 A.5.3, "User Authentication"; IHE ITI TF-2 3.20), before the answer.

A refusal is recorded once in a while for a name from one address, and counted: guessing does not fill the disk.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from pacsd.audit.codes import LOGIN, LOGOUT, Action, Code, Event, Outcome
from pacsd.audit.message import Agent, AuditMessage
from pacsd.audit.trail import Recorder, Unrecorded, now

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

    def _message(self, kind: Code, outcome: Outcome, agent: Agent, reason: str = "") -> AuditMessage:
        return AuditMessage(Event.USER_AUTHENTICATION, Action.EXECUTE, now(), outcome, types=(kind,),
                            agents=(agent, Agent(self.source)), reason=reason)  # fmt: skip
