"""Facts that were said and did not take effect: a process ended between the journal and the index.

Corrections, rejections, restorations, holds, orders, merges of patients and decisions on who is whom are applied
again, of each subject only the last word, and every rejection note and version of a report: where that is in effect
already nothing changes and nobody is told. Purges are left to whoever asked (who got no answer) and to a rebuild: said
again later, one might take what arrived since from a machine whose clock is behind.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.faults import Fault, PacsdError

_ROUNDS = 10
# kinds that speak of one subject: the last of them counts
_SUBJECTS: Mapping[FactKind, tuple[str, ...]] = {
    FactKind.PATIENT_OVERLAY: ("overlay.patient", "authority", "patient_id"),
    FactKind.STUDY_OVERLAY: ("overlay.study", "organisation", "study"),
    FactKind.PATIENT_MERGE: ("merge", "authority", "patient_id"),
    FactKind.PATIENT_UNMERGE: ("merge", "authority", "patient_id"),
    FactKind.PATIENT_DETAILS: ("details", "authority", "patient_id"),
    FactKind.PERSON_LINK: ("decision", "authority", "patient_id", "other_authority", "other_id"),
    FactKind.PERSON_SEPARATE: ("decision", "authority", "patient_id", "other_authority", "other_id"),
}
_REJECTIONS = (FactKind.REJECT, FactKind.RESTORE)
_HOLDS = (FactKind.HOLD, FactKind.RELEASE)
_EACH = (FactKind.REJECTION_NOTE, FactKind.REPORT)
log = logging.getLogger("pacsd.archive")


class CatchUp:
    """Applies the last word of each subject again. Safe beside whoever says more meanwhile."""

    def __init__(self, journal: Journal, apply: Mapping[FactKind, Callable[[Fact], None]]) -> None:
        self._journal = journal
        self._apply = apply

    def run(self, since: datetime) -> None:
        """All facts from `since` on. Raises PacsdError UNAVAILABLE."""
        seen: set[str] = set()
        for _ in range(_ROUNDS):
            said = list(self._journal.replay(since=since))
            if all(fact.key in seen for fact in said):
                return                   # nobody said more while we applied what we knew: the last word counts
            seen.update(fact.key for fact in said)
            for fact in last_words(said):
                self._again(fact)

    def _again(self, fact: Fact) -> None:
        try:
            if fact.kind in self._apply:
                self._apply[fact.kind](fact)
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
            log.info("a fact speaks of what is no longer there", extra={"key": fact.key})


def last_words(facts: Iterable[Fact]) -> list[Fact]:
    """Of facts in the order they were said, those that still count, each only for what no later one speaks of."""
    told: set[tuple[str, ...]] = set()
    last = []
    for fact in reversed(list(facts)):
        body: Mapping[str, Any] = fact.body
        if fact.kind in _SUBJECTS:
            if _first(_subject(fact), told):
                last.append(fact)
        elif fact.kind in _REJECTIONS and (series := dict(_untold(body, told))):
            last.append(replace(fact, body={**body, "series": series}))
        elif fact.kind is FactKind.ORDER:
            if _first(_ordered(body), told):
                last.append(fact)
        elif fact.kind in _HOLDS:
            if _first(("hold", str(body["organisation"]), str(body["study"])), told):
                last.append(fact)
        elif fact.kind in _EACH:
            last.append(fact)
    return last[::-1]


def _subject(fact: Fact) -> tuple[str, ...]:
    kind, *names = _SUBJECTS[fact.kind]
    return kind, *(str(fact.body[name]) for name in names)


def _ordered(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Each fact of an order holds all of one requested procedure."""
    procedure = body["procedure"]
    return FactKind.ORDER.value, body["organisation"], procedure["order_key"], procedure["requested_procedure_id"]


def _untold(body: Mapping[str, Any], told: set[tuple[str, ...]]) -> Iterator[tuple[str, list[str]]]:
    for series, sops in body["series"].items():
        left = [sop for sop in sops if _first((body["organisation"], sop), told)]
        if left:
            yield series, left


def _first(subject: tuple[str, ...], told: set[tuple[str, ...]]) -> bool:
    if subject in told:
        return False
    told.add(subject)
    return True
