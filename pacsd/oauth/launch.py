"""The launch from an EHR (SMART App Launch 2.2 "launch-ehr"): a system says with which patient an app shall begin.

The answer is what it opens the app with: `launch`, to be used once within five minutes, beside `iss`.
"""

import re

from starlette.responses import Response

from pacsd.access.launch_patient import LaunchPatient
from pacsd.access.principal import PatientKey, Principal, Proof, Role
from pacsd.index import oauth_grants
from pacsd.index.oauth_clients import Client
from pacsd.index.oauth_grants import Launch
from pacsd.oauth.answers import json
from pacsd.oauth.asked import Asked
from pacsd.oauth.desk import Desk
from pacsd.oauth.provider import Provider
from pacsd.oauth.refusal import OAuthError
from pacsd.oauth.sealing import hashed, new_token
from pacsd.oauth.sign_in import folded

LASTS_S = 300.0
_MAX_NAMED = 256                         # characters of a patient who is not there, on record
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")         # FHIR R4 datatypes.html#id


def launch(desk: Desk, asked: Asked) -> Response:
    """A context for one start of an app: `patient` (FHIR id) or `patient_identifier` (authority|id), `encounter`,
    and `user` where only they may use it."""
    client = desk.clients.client(asked, public=False)
    if not client.launches:
        desk.clients.refused(asked, "the client may not launch apps")
        raise OAuthError("unauthorized_client", "the client may not launch apps")
    told = asked.fields
    encounter = told.get("encounter", "").removeprefix("Encounter/")
    if encounter and not _ID.fullmatch(encounter):
        raise OAuthError("invalid_request", "encounter is no id")
    named = told.get("patient_identifier", "") or told.get("patient", "")
    patient = _patient(desk.provider, client, told.get("patient", ""), told.get("patient_identifier", ""))
    desk.provider.recording.launched(
        _system(client), patient.key if patient is not None else None, encounter=encounter, address=asked.address,
        missed=named[:_MAX_NAMED] if patient is None else "",
    )  # fmt: skip
    if named and patient is None:
        raise OAuthError("invalid_request", "there is no such patient")
    context = Launch(
        client.organisation, folded(told.get("user", "")),
        patient.key.assigning_authority if patient is not None else None,
        patient.key.patient_id if patient is not None else None,
        patient.id if patient is not None else "", encounter,
    )  # fmt: skip
    token = new_token()
    oauth_grants.add_launch(desk.provider.pool, hashed(token), client.client_id, context, lasts_s=LASTS_S)
    return json({"launch": token, "iss": desk.provider.fhir_base, "expires_in": int(LASTS_S)})


def _patient(provider: Provider, client: Client, patient: str, identifier: str) -> LaunchPatient | None:
    if not patient and not identifier:
        return None
    authority, bar, number = identifier.partition("|")
    if identifier and not bar:
        raise OAuthError("invalid_request", "patient_identifier is authority|id")
    return (
        provider.patients.of_key(client.organisation, PatientKey(authority, number)) if identifier
        else provider.patients.by_id(_system(client), patient.removeprefix("Patient/"))
    )  # fmt: skip


def _system(client: Client) -> Principal:
    """The client as one who may see its own organisation's patients."""
    return Principal(client.client_id, client.organisation, frozenset((Role.SYSTEM,)), Proof.PASSCODE, name=client.name)
