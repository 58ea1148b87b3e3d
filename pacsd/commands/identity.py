"""`pacsd identity`: who is one person, what became of a patient, merges taken back, doubtful pairs decided."""

import argparse

from config.settings import Settings
from pacsd.commands.wiring import PatientKey, PatientRecord, Wiring
from pacsd.faults import Fault, PacsdError


def history(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd identity history`: every step, the first one first, tabs between columns."""
    with wiring.identity(settings) as identity:
        for one in identity.history(_organisation(options, settings), _key(options.patient)):
            print(f"{one.at:%Y-%m-%dT%H:%M:%S%z}", one.step, f"{one.assigning_authority} {one.patient_id}",
                  f"{one.other_authority} {one.other_id}", one.said_by, sep="\t")  # fmt: skip
    return 0


def person(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd identity person`: all records that are linked to a patient's, itself among them."""
    with wiring.identity(settings) as identity:
        for one in identity.person(_organisation(options, settings), _key(options.patient)):
            print(_shown(one))
    return 0


def unmerge(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd identity unmerge`: a merge into another patient is taken back."""
    key = _key(options.patient)
    with wiring.identity(settings) as identity:
        into = identity.unmerge(_organisation(options, settings), key)
    print(f"{key[1]} of {key[0]} is no longer merged into {into[1]}")
    return 0


def review(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd identity review list`: pairs that may be one person, the likeliest first, two records and why."""
    with wiring.identity(settings) as identity:
        for pair in identity.review(_organisation(options, settings), limit=options.limit):
            print(f"{pair.score:.1f}", pair.reasons, sep="\t")
            print(f"\t{_shown(pair.one)}\n\t{_shown(pair.other)}")
    return 0


def link(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd identity review link`: two records are one person."""
    return _decide(options, settings, wiring, linked=True)


def separate(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd identity review separate`: two records are two persons."""
    return _decide(options, settings, wiring, linked=False)


def _decide(options: argparse.Namespace, settings: Settings, wiring: Wiring, *, linked: bool) -> int:
    one, other = _key(options.patient), _key(options.other)
    with wiring.identity(settings) as identity:
        identity.decide(_organisation(options, settings), one, other, linked=linked)
    print("linked" if linked else "separated")
    return 0


def _key(text: list[str]) -> PatientKey:
    return text[0], text[1]


def _shown(one: PatientRecord) -> str:
    values = (f"{one.assigning_authority} {one.patient_id}", one.name, one.birth_date, one.sex, one.phone, one.address,
              one.id_card, one.health_card)  # fmt: skip
    return "\t".join(str(value) if value is not None else "" for value in values)


def _organisation(options: argparse.Namespace, settings: Settings) -> str:
    code = options.organisation or settings.organisations[0].code
    if code not in [one.code for one in settings.organisations]:
        raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {code}")
    return str(code)
