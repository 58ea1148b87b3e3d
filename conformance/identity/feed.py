"""The feed: registration, update, merge, change of id, link (ITI-8, ITI-30, RAD-1, RAD-12), and what is refused."""

from collections.abc import Callable
from dataclasses import replace

from conformance.dicomweb.suite import Level
from conformance.identity.messages import NOW, Patient
from conformance.identity.queries import (
    known,
    linked,
    nothing,
    others,
    person,
    pix,
    registered,
    shown,
    unknown,
)
from conformance.identity.site import Site
from conformance.identity.suite import Checks, expect, refused, rejected_softly, seen, taken

CHECKS = Checks("feed")
_VERSIONS = (                            # event, transactions, clause, version
    ("A01", "ITI-8, RAD-1", "ITI TF-2 3.8.4.1", "2.3.1"),
    ("A04", "ITI-8, RAD-1", "ITI TF-2 3.8.4.1", "2.3.1"),
    ("A05", "ITI-8, RAD-1", "ITI TF-2 3.8.4.1", "2.3.1"),
    ("A28", "ITI-30", "ITI TF-2 3.30.6.2", "2.5"),
    ("A31", "ITI-30", "ITI TF-2 3.30.6.3.4", "2.5"),
)  # fmt: skip
_UPDATES = (
    ("A08", "ITI-8, RAD-12", "ITI TF-2 3.8.4.1.1", "2.3.1"),
    ("A31", "ITI-30", "ITI TF-2 3.30.6.3.4", "2.5"),
)  # fmt: skip


def _stated(site: Site, one: Patient) -> None:
    """What was said of a patient is shown of it, and nothing else."""
    pids = shown(site, one)
    expect(len(pids) == 1, "one PID with the identifier", len(pids))
    came = _traits(pids[0])
    expect(came == _said(one), str(_said(one)), came)


def _kept(site: Site, *linked_ones: Patient) -> None:
    """What was said of each is shown still, as records of their own."""
    for one in linked_ones:
        came = [_traits(pid) for pid in shown(site, one)]
        expect(_said(one) in came and all(name for name, _, _ in came), str(_said(one)), came)


def _traits(pid: list[str]) -> tuple[str, str, str]:
    name, birth_date, sex = (pid + [""] * 9)[5], (pid + [""] * 9)[7], (pid + [""] * 9)[8]
    return "^".join(name.split("~")[0].split("^")[:2]), birth_date[:8], sex


def _said(one: Patient) -> tuple[str, str, str]:
    return one.name, one.birth_date, one.sex


def _registers(event: str, version: str) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        one = site.patient()
        taken(site.adt(event, one.pid(), version=version))
        _stated(site, one)

    return run


def _updates(event: str, version: str) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        one = registered(site)
        new = site.patient(sex="M")
        changed = replace(new, number=one.number)
        taken(site.adt(event, changed.pid(), version=version))
        _stated(site, changed)

    return run


for _event, _transaction, _clause, _version in _VERSIONS:
    CHECKS.add(f"register.{_event}", _transaction, _clause, f"{_event} makes a patient known who was not")(
        _registers(_event, _version)
    )
for _event, _transaction, _clause, _version in _UPDATES:
    CHECKS.add(f"update.{_event}", _transaction, _clause, f"{_event} changes what is shown of a patient")(
        _updates(_event, _version)
    )


def _named_by(form: int) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        one = site.patient()
        taken(site.adt("A01", one.pid(ids=one.cx(one.domain.forms[form])), version="2.3.1"))
        _stated(site, one)

    return run


for _form, _what in enumerate(("namespace id", "universal id", "namespace and universal id")):
    CHECKS.add(f"domain.{_what.replace(' ', '-')}", "ITI-8", "ITI TF-2 3.8.4.1.2.3",
               f"a domain named by {_what} is the configured one")(_named_by(_form))  # fmt: skip


@CHECKS.add("acknowledge", "ITI-8", "HL7 v2.5.1 2.9.2, ITI TF-2 C.2.3", "ACK names the message, and its sender")
def _acknowledge(site: Site) -> None:
    message = site.message("ADT^A04^ADT_A01", f"EVN||{NOW}", site.patient().pid(), "PV1|1|N", version="2.3.1")
    answer = taken(site.send(message))
    expect(answer.field("MSA", 2) == message.split(b"|")[9].decode(), "MSA-2 to be MSH-10", answer.field("MSA", 2))
    expect(answer.field("MSH", 9).split("^")[0] == "ACK", "MSH-9.1 ACK", answer.field("MSH", 9))
    to = answer.field("MSH", 5), answer.field("MSH", 6)
    expect(to == (site.application, site.facility), "MSH-5 and MSH-6 to be the sender", to)


@CHECKS.add("repeat", "ITI-8", "HL7 v2.5.1 2.9.2", "the same message again is acknowledged, and the patient is one")
def _repeat(site: Site) -> None:
    one = site.patient()
    message = site.message("ADT^A04^ADT_A01", f"EVN||{NOW}", one.pid(), "PV1|1|N", version="2.3.1")
    taken(site.send(message))
    taken(site.send(message))
    _stated(site, one)


# -- merge -----------------------------------------------------------------------------------------------------------


def _merge(site: Site, survivor: Patient, prior: Patient, version: str = "2.5") -> None:
    taken(site.adt("A40", survivor.pid(), prior.mrg(), version=version))


def _merged(version: str) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        prior, survivor = registered(site), registered(site)
        _merge(site, survivor, prior, version)
        unknown(site, prior)
        known(site, survivor)
        _stated(site, survivor)

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
    _stated(site, survivor)


@CHECKS.add("merge.unknown-survivor", "ITI-30", "ITI TF-2 3.30.6.4.4", "a survivor that is unknown is a change of id")
def _unknown_survivor(site: Site) -> None:
    prior = registered(site)
    survivor = site.patient(like=prior)
    _merge(site, survivor, prior)
    unknown(site, prior)
    _stated(site, survivor)


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
    _stated(site, one)


@CHECKS.add("merge.other-domain", "ITI-8", "ITI TF-2 3.8.4.2.2.4", "no merge across two domains", Level.OPTIONAL)
def _other_domain(site: Site) -> None:
    one, other = registered(site), registered(site, site.second)
    rejected_softly(site.adt("A40", one.pid(), other.mrg()))
    _stated(site, one)
    _stated(site, other)


# -- change of id ----------------------------------------------------------------------------------------------------


@CHECKS.add("change.A47", "ITI-30", "ITI TF-2 3.30.6.5", "A47: the patient has the new id, and the old one is unknown")
def _change(site: Site) -> None:
    old = registered(site)
    new = site.patient(like=old)
    taken(site.adt("A47", new.pid(), old.mrg()))
    unknown(site, old)
    _stated(site, new)


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
    rejected_softly(site.adt("A47", replace(old, number=other.number).pid(), old.mrg()))
    _stated(site, old)
    _stated(site, other)


@CHECKS.add("change.unknown", "ITI-30", "ITI TF-2 3.30.6.5.4", "an old id that is unknown is no error")
def _change_unknown(site: Site) -> None:
    old = site.patient()
    taken(site.adt("A47", site.patient(like=old).pid(), old.mrg()))
    unknown(site, old)


# -- link ------------------------------------------------------------------------------------------------------------


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
    _kept(site, one, other)


@CHECKS.add("link.A37", "ITI-30", "ITI TF-2 3.30.6.7", "A37 takes the link back", Level.OPTIONAL)
def _unlink(site: Site) -> None:
    one, other = _no_strangers(site)
    _pair(site, "A24", one, other)
    expect(other.key in others(pix(site, one.cx())), f"{other.key} while they are linked")
    _pair(site, "A37", one, other)
    nothing(pix(site, one.cx(), f"^^^{site.second.whole}"))
    _stated(site, one)
    _stated(site, other)


@CHECKS.add("link.unknown", "ITI-30", "ITI TF-2 3.30.6.6.4", "a link to an unknown patient makes none", Level.OPTIONAL)
def _link_unknown(site: Site) -> None:
    one, other = registered(site), site.patient(site.second, sex="M")
    _pair(site, "A24", one, other)
    _stated(site, one)
    taken(site.adt("A28", other.pid()))
    expect(other.key in others(pix(site, one.cx())), f"{other.key} once it is registered")
    _kept(site, one, other)


@CHECKS.add("link.none", "ITI-30", "ITI TF-2 3.30.6.7.4", "to unlink two without a link is no error", Level.OPTIONAL)
def _unlink_none(site: Site) -> None:
    one, other = _no_strangers(site)
    _pair(site, "A37", one, other)
    nothing(pix(site, one.cx(), f"^^^{site.second.whole}"))
    _stated(site, one)


@CHECKS.add("link.one-PID", "ITI-30", "ITI TF-2 table 3.30-13", "A24 of one PID: refused, 100 or 101", Level.OPTIONAL)
def _one_pid(site: Site) -> None:
    one = registered(site)
    refused(site.adt("A24", f"PID|||{one.cx()}||{one.name}"), ("100", "101"), "PID")


# -- what is refused -------------------------------------------------------------------------------------------------


@CHECKS.add("refuse.no-PID", "ITI-8", "ITI TF-2 table 3.8-1", "without PID: refused, 100 or 101 at PID")
def _no_pid(site: Site) -> None:
    refused(site.adt("A04"), ("100", "101"), "PID")
    taken(site.adt("A04", site.patient().pid()))


@CHECKS.add("refuse.no-id", "ITI-8", "ITI TF-2 table 3.8-2", "without PID-3: refused, 101 at PID-3")
def _no_id(site: Site) -> None:
    refused(site.adt("A04", "PID|1||||NOBODY^AT ALL||19700101|F"), ("101",), "PID^1^3")
    taken(site.adt("A04", site.patient().pid()))


@CHECKS.add("refuse.event", "ITI-8", "ITI TF-2 C.2.3", "an event that nobody knows: AR, 201 at MSH-9.2")
def _event_unknown(site: Site) -> None:
    answer = site.ask("ADT^A99^ADT_A99", f"EVN||{NOW}", site.patient().pid())
    refused(answer, ("201",), "MSH^1^9^1^2")
    expect(answer.code == "AR", "AR", seen(answer))


@CHECKS.add("refuse.type", "ITI-8", "ITI TF-2 C.2.3", "a type of message that nobody knows: AR, 200 at MSH-9.1")
def _type_unknown(site: Site) -> None:
    answer = site.ask("ZZT^Z01^ZZT_Z01", f"EVN||{NOW}", site.patient().pid())
    refused(answer, ("200",), "MSH^1^9^1^1")
    expect(answer.code == "AR", "AR", seen(answer))


@CHECKS.add("refuse.version", "ITI-8", "HL7 v2.5.1 2.9.2.2, table 0357", "a version that there is not: AR, 203")
def _version_unknown(site: Site) -> None:
    answer = site.adt("A04", site.patient().pid(), version="9.9")
    refused(answer, ("203",))
    expect(answer.code == "AR", "AR", seen(answer))


@CHECKS.add("refuse.processing-id", "ITI-8", "HL7 v2.5.1 2.9.2.2, table 0103", "a processing id of no table: AR, 202")
def _processing_unknown(site: Site) -> None:
    message = site.message("ADT^A04^ADT_A01", f"EVN||{NOW}", site.patient().pid(), "PV1|1|N", processing="Q")
    answer = site.send(message)
    refused(answer, ("202",))
    expect(answer.code == "AR", "AR", seen(answer))


@CHECKS.add("refuse.control-id", "ITI-8", "HL7 v2.5.1 2.15.9.10", "without MSH-10: refused, 101 at MSH-10")
def _no_control_id(site: Site) -> None:
    fields = site.message("ADT^A04^ADT_A01", f"EVN||{NOW}", site.patient().pid(), "PV1|1|N").split(b"|", 10)
    fields[9] = b""
    refused(site.send(b"|".join(fields)), ("101",), "MSH^1^10")


@CHECKS.add("refuse.cut", "ITI-8", "ITI TF-2 C.2.3", "a message cut inside MSH is refused, and the next one is taken")
def _cut(site: Site) -> None:
    answer = site.send(b"MSH|^~\\&|CUT|OFF")
    expect(answer.code in ("AE", "AR"), "AE or AR", seen(answer))
    _stated(site, registered(site))


@CHECKS.add("refuse.changes-nothing", "ITI-30", "ITI TF-2 C.2.3.1", "a message that is in error changes no patient")
def _changes_nothing(site: Site) -> None:
    one = registered(site)
    changed = replace(site.patient(sex="M"), number=one.number)
    answer = site.adt("A40", changed.pid(), f"MRG|||||||{one.name}")
    expect(answer.code in ("AE", "AR"), "AE or AR", seen(answer))
    _stated(site, one)
