"""What a connection declares before it reads for somebody: the second belt, which PostgreSQL itself holds.

The predicate (`predicate.py`) stands in every statement. Should one ever lack it, row-level security (migrations v0026
and v0028) still gives a reading connection no row beyond what it declared: as `pacsd_reader` those of one organisation,
as `pacsd_region` of several, as `pacsd_guest` also what is opened one by one. Of FHIR resources a guest's belt is
wider: it holds those of every organisation that opened something. What is denied, rejected or hidden is for the
predicate alone.

A declaration stays with its connection, so that the next request of the same reader costs nothing.
"""

from typing import NamedTuple

from pacsd.access.scope import Opened, Scope

DECLARE = b"""
select set_config('role', $1, false), set_config('pacsd.organisation', $2, false),
    set_config('pacsd.organisations', $3, false), set_config('pacsd.openers', $4, false),
    set_config('pacsd.studies', $5, false), set_config('pacsd.owners', $6, false),
    set_config('pacsd.patients', $7, false)
"""
_NONE, _NOBODY = "{}", "0"


class Declaration(NamedTuple):
    """The role that reads, and numbers and arrays as PostgreSQL writes them. `owners`: of `patients`, one for one."""

    role: str
    organisation: str = _NOBODY
    organisations: str = _NONE
    openers: str = _NONE
    studies: str = _NONE
    owners: str = _NONE
    patients: str = _NONE


OURS = Declaration("pacsd_app")          # the server's own work, for nobody in particular


def declaration(scope: Scope | None) -> Declaration:
    """What is declared to read for a scope; without one, for the server itself."""
    if scope is None:
        return OURS
    organisations, opened = _array(scope.organisations), scope.opened
    if opened is None or not opened.opens:
        if len(scope.organisations) == 1:
            return Declaration("pacsd_reader", str(scope.organisations[0]))
        return Declaration("pacsd_region", _NOBODY, organisations)
    owned = [(owner, patient) for owner, patients in opened.patients for patient in patients]
    return Declaration(
        "pacsd_guest", _NOBODY, organisations, _array(_openers(opened)), _array(opened.studies),
        _array([owner for owner, _ in owned]), _array([patient for _, patient in owned]),
    )  # fmt: skip


def _openers(opened: Opened) -> list[int]:
    names = opened.names
    return sorted({one[0] for one in names.patients} | {one[0] for one in names.studies} |
                  {owner for owner, _ in opened.patients})  # fmt: skip


def _array(numbers: "list[int] | tuple[int, ...]") -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
