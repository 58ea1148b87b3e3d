"""Merge, change of id, link (ITI-8, ITI-30, RAD-12): what PIX and PDQ say of the patients afterwards."""

from collections.abc import Callable
from dataclasses import replace

from conformance.identity.messages import Patient
from conformance.identity.queries import kept, known, linked, nothing, others, person, pix, registered, stated, unknown
from conformance.identity.site import Site
from conformance.identity.suite import Checks, erroneous, expect, refused, taken
from conformance.judging import Level

CHECKS = Checks("feed")


def _merge(site: Site, survivor: Patient, prior: Patient, version: str = "2.5") -> None:
    taken(site.adt("A40", survivor.pid(), prior.mrg(), version=version))


def _merged(version: str) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        prior, survivor = registered(site), registered(site)
        _merge(site, survivor, prior, version)
        unknown(site, prior)
        known(site, survivor)
        stated(site, survivor)

    return run


CHECKS.add("merge.A40.v231", "ITI-8, RAD-12", "ITI TF-2 3.8.4.2.2.4",
           "A40: the prior id is referenced no more, the survivor is")(_merged("2.3.1"))  # fmt: skip
CHECKS.add("merge.A40.v25", "ITI-30", "ITI TF-2 3.30.6.4", "A40 of HL7 v2.5, likewise")(_merged("2.5"))


@CHECKS.add("merge.cross-reference", "ITI-8", "ITI TF-2 3.8.4.2.3", "the survivor's id takes the prior's place in PIX")
def _cross_reference(site: Site) -> None:
    prior, other = person(site)
    expect(prior.key in others(pix(site, other.cx())), f"{prior.key} before the merge")
    survivor = registered(site, like=prior)
    linked(site, survivor, other)
    _merge(site, survivor, prior)
    came = others(pix(site, other.cx()))
    expect(survivor.key in came and prior.key not in came, f"{survivor.key} and not {prior.key}", came)


@CHECKS.add("merge.chain", "ITI-8", "ITI TF-2 3.8.4.2.3", "a survivor is merged in its turn: the last id alone is left")
def _chain(site: Site) -> None:
    first, other = person(site)
    second, third = registered(site, like=first), registered(site, like=first)
    for each in (second, third):
        linked(site, each, other)
    _merge(site, second, first)
    _merge(site, third, second)
    came = others(pix(site, other.cx()))
    expect(came == [third.key], f"{[third.key]} alone", came)
    unknown(site, first)
    unknown(site, second)


@CHECKS.add("merge.lists", "ITI-30", "ITI TF-2 3.30.6.4.1", "two lists of identifiers are merged domain by domain")
def _lists(site: Site) -> None:
    prior, prior_other = person(site)
    survivor, other = person(site)
    mrg = f"MRG|{prior.cx()}~{prior_other.cx()}||||||{prior.name}"
    taken(site.adt("A40", survivor.pid(ids=f"{survivor.cx()}~{other.cx()}"), mrg))
    unknown(site, prior)
    unknown(site, prior_other)
    came = others(pix(site, survivor.cx()))
    expect(came == [other.key], f"{[other.key]} alone", came)


@CHECKS.add("merge.unknown-prior", "ITI-30", "ITI TF-2 3.30.6.4.4", "a prior id that is unknown is no error")
def _unknown_prior(site: Site) -> None:
    survivor = registered(site)
    _merge(site, survivor, site.patient())
    stated(site, survivor)


@CHECKS.add("merge.unknown-survivor", "ITI-30", "ITI TF-2 3.30.6.4.4", "a survivor that is unknown is a change of id")
def _unknown_survivor(site: Site) -> None:
    prior = registered(site)
    survivor = site.patient(like=prior)
    _merge(site, survivor, prior)
    unknown(site, prior)
    stated(site, survivor)


@CHECKS.add("merge.without-MRG", "ITI-8", "ITI TF-2 table 3.8-3", "without MRG: refused, 100 or 101 at MRG")
def _without_mrg(site: Site) -> None:
    one = registered(site)
    refused(site.adt("A40", one.pid()), ("100", "101"), "MRG")
    known(site, one)


@CHECKS.add("merge.without-prior-id", "ITI-8", "ITI TF-2 table 3.8-4", "without MRG-1: refused, 101 at MRG-1")
def _without_prior_id(site: Site) -> None:
    one = registered(site)
    refused(site.adt("A40", one.pid(), f"MRG|||||||{one.name}"), ("101",), "MRG^1^1")
    known(site, one)


@CHECKS.add("merge.itself", "ITI-8", "ITI TF-2 3.8.4.2.4", "a merge with oneself changes nothing", Level.OPTIONAL)
def _merge_itself(site: Site) -> None:
    one = registered(site)
    site.adt("A40", one.pid(), one.mrg())
    stated(site, one)


@CHECKS.add("merge.other-domain", "ITI-8", "ITI TF-2 3.8.4.2.2.4", "no merge across two domains", Level.OPTIONAL)
def _other_domain(site: Site) -> None:
    one, other = registered(site), registered(site, site.second)
    erroneous(site.adt("A40", one.pid(), other.mrg()))
    stated(site, one)
    stated(site, other)


@CHECKS.add("change.A47", "ITI-30", "ITI TF-2 3.30.6.5", "A47: the patient has the new id, and the old one is unknown")
def _change(site: Site) -> None:
    old = registered(site)
    new = site.patient(like=old)
    taken(site.adt("A47", new.pid(), old.mrg()))
    unknown(site, old)
    stated(site, new)


@CHECKS.add("change.cross-reference", "ITI-30", "ITI TF-2 3.30.6.5.4", "the new id takes the old one's place in PIX")
def _change_reference(site: Site) -> None:
    old, other = person(site)
    new = site.patient(like=old)
    taken(site.adt("A47", new.pid(), old.mrg()))
    came = others(pix(site, other.cx()))
    expect(new.key in came and old.key not in came, f"{new.key} and not {old.key}", came)


@CHECKS.add("change.taken-id", "ITI-30", "ITI TF-2 3.30.6.5.4", "a new id that is another patient's is an error")
def _taken_id(site: Site) -> None:
    old, other = registered(site), registered(site)
    erroneous(site.adt("A47", replace(old, number=other.number).pid(), old.mrg()))
    stated(site, old)
    stated(site, other)


@CHECKS.add("change.unknown", "ITI-30", "ITI TF-2 3.30.6.5.4", "an old id that is unknown is no error")
def _change_unknown(site: Site) -> None:
    old = site.patient()
    taken(site.adt("A47", site.patient(like=old).pid(), old.mrg()))
    unknown(site, old)


def _pair(site: Site, event: str, one: Patient, other: Patient) -> None:
    taken(site.adt(event, f"PID|||{one.cx()}||{one.name}", f"PID|||{other.cx()}||{other.name}"))


def _no_strangers(site: Site) -> tuple[Patient, Patient]:
    """Two whom nobody would take for one person."""
    one, other = registered(site), registered(site, site.second, sex="M")
    nothing(pix(site, one.cx(), f"^^^{site.second.whole}"))
    return one, other


@CHECKS.add("link.A24", "ITI-30", "ITI TF-2 3.30.6.6", "A24 links two, who stay two records", Level.OPTIONAL)
def _link(site: Site) -> None:
    one, other = _no_strangers(site)
    _pair(site, "A24", one, other)
    expect(other.key in others(pix(site, one.cx())), f"{other.key} of {one.key}")
    expect(one.key in others(pix(site, other.cx())), f"{one.key} of {other.key}")
    kept(site, one, other)


@CHECKS.add("link.A37", "ITI-30", "ITI TF-2 3.30.6.7", "A37 takes the link back", Level.OPTIONAL)
def _unlink(site: Site) -> None:
    one, other = _no_strangers(site)
    _pair(site, "A24", one, other)
    expect(other.key in others(pix(site, one.cx())), f"{other.key} while they are linked")
    _pair(site, "A37", one, other)
    nothing(pix(site, one.cx(), f"^^^{site.second.whole}"))
    stated(site, one)
    stated(site, other)


@CHECKS.add("link.unknown", "ITI-30", "ITI TF-2 3.30.6.6.4", "a link to an unknown patient makes none", Level.OPTIONAL)
def _link_unknown(site: Site) -> None:
    one, other = registered(site), site.patient(site.second, sex="M")
    _pair(site, "A24", one, other)
    stated(site, one)
    taken(site.adt("A28", other.pid()))
    expect(other.key in others(pix(site, one.cx())), f"{other.key} once it is registered")
    kept(site, one, other)


@CHECKS.add("link.none", "ITI-30", "ITI TF-2 3.30.6.7.4", "to unlink two without a link is no error", Level.OPTIONAL)
def _unlink_none(site: Site) -> None:
    one, other = _no_strangers(site)
    _pair(site, "A37", one, other)
    nothing(pix(site, one.cx(), f"^^^{site.second.whole}"))
    stated(site, one)


@CHECKS.add("link.one-PID", "ITI-30", "ITI TF-2 table 3.30-13", "A24 of one PID: refused, 100 or 101", Level.OPTIONAL)
def _one_pid(site: Site) -> None:
    one = registered(site)
    refused(site.adt("A24", f"PID|||{one.cx()}||{one.name}"), ("100", "101"), "PID")
