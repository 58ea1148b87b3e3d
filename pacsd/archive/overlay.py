"""Corrections of patients and studies: beside the bytes, put in on the way out (PS3.3 C.12.1, Original Attributes)."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.codec.keys import keys_of
from pacsd.faults import Fault, PacsdError

Attributes = Mapping[str, Mapping[str, Any] | None]      # 8-hex tag -> DICOM JSON attribute; None: taken away

_IDENTIFYING = frozenset(("0020000D",))                  # what a study is found by is no attribute to correct
PATIENT_TAGS = frozenset(key.hex for key in keys_of("patient"))
STUDY_TAGS = frozenset(key.hex for key in keys_of("study")) - _IDENTIFYING
_VR = re.compile(r"[A-Z]{2}")


class OverlayIndex(Protocol):
    """Where overlays take effect. Each call states the whole overlay and when it was said, so that it may be made
    twice."""

    def knows_patient(self, assigning_authority: str, patient_id: str) -> bool:
        """Whether there is such a patient to correct."""

    def knows_study(self, organisation: str, study_instance_uid: str) -> bool:
        """Whether there is such a study to correct."""

    def set_patient_overlay(
        self, assigning_authority: str, patient_id: str, attributes: Attributes, *, at: datetime
    ) -> None:
        """Every study of this patient of this authority shows these attributes."""

    def set_study_overlay(
        self, organisation: str, study_instance_uid: str, attributes: Attributes, *, at: datetime
    ) -> None:
        """This study of this organisation (by code) shows these attributes."""


class Overlays:
    """States overlays: journal first, then index. Stored bytes never change."""

    def __init__(self, journal: Journal, index: OverlayIndex) -> None:
        self._journal = journal
        self._index = index

    def set_patient_overlay(self, *, assigning_authority: str, patient_id: str, attributes: Attributes) -> None:
        """From now on every study of the patient shows these patient attributes; an empty mapping ends it.

        Raises PacsdError MALFORMED for other than patient attributes, NOT_FOUND.
        """
        _check(attributes, PATIENT_TAGS)
        if not self._index.knows_patient(assigning_authority, patient_id):
            raise PacsdError(Fault.NOT_FOUND, "no such patient")
        self.apply(self._journal.append({
            "fact": FactKind.PATIENT_OVERLAY.value, "authority": assigning_authority, "patient_id": patient_id,
            "attributes": attributes,
        }))

    def set_study_overlay(self, *, organisation: str, study_instance_uid: str, attributes: Attributes) -> None:
        """From now on the study shows these patient and study attributes; an empty mapping ends it.

        Raises PacsdError MALFORMED for other attributes, NOT_FOUND.
        """
        _check(attributes, PATIENT_TAGS | STUDY_TAGS)
        if not self._index.knows_study(organisation, study_instance_uid):
            raise PacsdError(Fault.NOT_FOUND, "no such study")
        self.apply(self._journal.append({
            "fact": FactKind.STUDY_OVERLAY.value, "organisation": organisation, "study": study_instance_uid,
            "attributes": attributes,
        }))

    def apply(self, fact: Fact) -> None:
        """Let a fact take effect, maybe again."""
        body: Mapping[str, Any] = fact.body
        if fact.kind is FactKind.PATIENT_OVERLAY:
            self._index.set_patient_overlay(body["authority"], body["patient_id"], body["attributes"], at=fact.at)
        else:
            self._index.set_study_overlay(body["organisation"], body["study"], body["attributes"], at=fact.at)


def _check(attributes: Attributes, tags: frozenset[str]) -> None:
    for tag, attribute in attributes.items():
        if tag not in tags:
            raise PacsdError(Fault.MALFORMED, f"{tag} is not an attribute that such an overlay may hold")
        if attribute is not None and not _VR.fullmatch(str(attribute.get("vr"))):
            raise PacsdError(Fault.MALFORMED, f"{tag} is not a DICOM JSON attribute")
