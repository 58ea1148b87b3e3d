"""Patient Demographics Query (ITI-21): searches, the three cases of ITI TF-2 3.21.4.2.2.8, and continuation."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from conformance.identity.messages import Patient
from conformance.identity.queries import by_id, found, in_error, listed, nothing, pdq, person, registered
from conformance.identity.site import NOWHERE, Site
from conformance.identity.suite import Checks, erroneous, expect, refused, seen, supported, taken
from conformance.judging import Level

CHECKS = Checks("pdq")
_CASES = "ITI TF-2 3.21.4.2.2.8"
_FIELDS = "ITI TF-2 table 3.21-3"
_Criteria = Callable[[Patient], tuple[tuple[str, str], ...]]

_SEARCHES: Mapping[str, tuple[str, Level, _Criteria]] = {
    "id": ("PID.3", Level.REQUIRED, by_id),
    "family": ("PID.5.1.1", Level.REQUIRED, lambda one: (("5.1.1", one.family),)),
    "name": ("PID.5", Level.REQUIRED, lambda one: (("5.1.1", one.family), ("5.2", one.given))),
    "birth-date": ("PID.7", Level.REQUIRED, lambda one: (("5.1.1", one.family), ("7.1", one.birth_date))),
    "sex": ("PID.8", Level.REQUIRED, lambda one: (("5.1.1", one.family), ("8", one.sex))),
    "address": ("PID.11", Level.REQUIRED, lambda one: (("11.1.1", one.street),)),
    "account": ("PID.18", Level.REQUIRED, lambda one: (("18.1", one.account), ("18.4.1", one.domain.namespace))),
    "mother": ("PID.6", Level.OPTIONAL, lambda one: (("6.1.1", one.mother),)),
    "phone": ("PID.13", Level.OPTIONAL, lambda one: (("13.1", one.phone),)),
}


def _searched(criteria: _Criteria) -> Callable[[Site], None]:
    """The one who was meant is found, and not one of whom all else is true but the id."""

    def run(site: Site) -> None:
        one, other = registered(site), registered(site, sex="M")
        came = [key for pid in found(pdq(site, *criteria(one))) for key in listed(pid)]
        expect(one.key in came and other.key not in came, f"{one.key} and not {other.key}", came)

    return run


for _name, (_element, _level, _criteria) in _SEARCHES.items():
    _clause = _FIELDS if _level is Level.REQUIRED else "ITI TF-2 table 3.21-4"
    CHECKS.add(f"search.{_name}", "ITI-21", _clause, f"patients are found by {_element}", _level)(_searched(_criteria))


@CHECKS.add("search.all-criteria", "ITI-21", "ITI TF-2 3.21.4.1.2.3", "all criteria count: a namesake is not found")
def _all_criteria(site: Site) -> None:
    one = registered(site)
    stranger = site.patient(sex="M")
    namesake = registered(site, like=replace(stranger, family=one.family))
    came = [key for pid in found(pdq(site, ("5.1.1", one.family), ("7.1", one.birth_date), ("8", one.sex)))
            for key in listed(pid)]  # fmt: skip
    expect(one.key in came and namesake.key not in came, f"{one.key} and not {namesake.key}", came)
    both = [key for pid in found(pdq(site, ("5.1.1", one.family))) for key in listed(pid)]
    expect({one.key, namesake.key} <= set(both), "both by the name they share", both)


@CHECKS.add("search.none", "ITI-21", "HL7 v2.5.1 5.5.2.2, table 0208", "nobody fits: AA, NF, no PID")
def _nobody(site: Site) -> None:
    nothing(pdq(site, ("5.1.1", site.patient().family)))
    found(pdq(site, ("5.1.1", registered(site).family)))


@CHECKS.add("search.unicode", "ITI-21", "HL7 v2.5.1 2.15.9.18", "names of other scripts", Level.OPTIONAL)
def _unicode(site: Site) -> None:
    one = replace(site.patient(), family="\u6b27\u9633", given=f"\u6d4b{site.number('')[-4:]}")
    taken(site.ask("ADT^A28^ADT_A05", "EVN||20260101120000", one.pid(), "PV1|1|N", charset="UNICODE UTF-8"))
    answer = pdq(site, ("5.1.1", one.family), ("7.1", one.birth_date), *by_id(one), charset="UNICODE UTF-8")
    names = [pid[5] for pid in found(answer) if one.key in listed(pid)]
    expect(len(names) == 1 and names[0].startswith(one.name), f"{one.name}", names)


@CHECKS.add("case-1", "ITI-21", f"{_CASES} case 1, table 3.21-8", "what is known of the patient is returned")
def _returned(site: Site) -> None:
    one = registered(site)
    (pid,) = found(pdq(site, *by_id(one)))
    pid += [""] * 20
    got = pid[7][:8], pid[8], pid[11].split("^")[0], pid[18].split("^")[0]
    expect(listed(pid) == [one.key], f"{one.key} in PID-3", listed(pid))
    expect(pid[5].startswith(one.name), one.name, pid[5])
    stated = one.birth_date, one.sex, one.street, one.account
    expect(got == stated, f"{stated} in PID-7, 8, 11 and 18", got)


@CHECKS.add("case-1.all-domains", "ITI-21", "ITI TF-2 3.21.4.1.2.4", "QPD-8 left empty asks for all identifiers")
def _all_domains(site: Site) -> None:
    one, other = person(site)
    came = [key for pid in found(pdq(site, *by_id(one))) for key in listed(pid)]
    expect({one.key, other.key} <= set(came), f"{one.key} and {other.key}", came)


@CHECKS.add("answer.form", "ITI-21", "ITI TF-2 3.21.4.2.2.1", "MSH-3, MSH-9, MSA-2, QAK-1 and QPD of the answer")
def _form(site: Site) -> None:
    query = f"QPD|IHE PDQ Query|{site.number('T')}|@PID.5.1.1^{site.patient().family}~@PID.8^F"
    message = site.message("QBP^Q22^QBP_Q21", query, "RCP|I")
    answer = site.send(message)
    nothing(supported(answer))
    expect(answer.field("MSH", 9) == "RSP^K22^RSP_K21", "RSP^K22^RSP_K21", answer.field("MSH", 9))
    expect(answer.field("MSH", 3) == site.receiver, "MSH-3 to be MSH-5 of the query", answer.field("MSH", 3))
    expect(answer.field("MSA", 2) == message.split(b"|")[9].decode(), "MSA-2 to be MSH-10", answer.field("MSA", 2))
    expect(answer.field("QAK", 1) == query.split("|")[2], "QAK-1 to be the query tag", answer.field("QAK", 1))
    echoed = "|".join(answer.segments("QPD")[0]) if answer.segments("QPD") else ""
    expect(echoed == query, "QPD as it was sent", echoed)


def _wanted(form: int) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        one, other = person(site)
        pids = found(pdq(site, *by_id(one), wanted=f"^^^{site.second.forms[form]}"))
        came = [listed(pid) for pid in pids]
        expect(bool(came) and all(ids == [other.key] for ids in came), f"{other.key} alone", came)

    return run


for _at, _what in enumerate(("namespace id", "universal id", "namespace and universal id")):
    CHECKS.add(f"case-2.{_what.replace(' ', '-')}", "ITI-21", f"{_CASES} case 2, 3.21.4.1.3.2",
               f"identifiers of the wanted domain alone, named by {_what}")(_wanted(_at))  # fmt: skip


@CHECKS.add("case-2.nobody", "ITI-21", f"{_CASES} case 2", "who has no identifier in the wanted domain is left out")
def _left_out(site: Site) -> None:
    one = registered(site)
    answer = pdq(site, *by_id(one), wanted=f"^^^{site.second.whole}")
    expect(answer.code == "AA" and not answer.segments("PID"), "AA and no PID", seen(answer))
    expect(answer.field("QAK", 2) in ("OK", "NF"), "no error in QAK-2", seen(answer))
    found(pdq(site, *by_id(one), wanted=f"^^^{site.first.whole}"))


@CHECKS.add("case-3", "ITI-21", f"{_CASES} case 3", "unknown domains: AE, 204 at QPD-8 for each with its ordinal")
def _unknown_domains(site: Site) -> None:
    one = registered(site)
    wanted = f"^^^{NOWHERE.whole}~^^^{site.first.whole}~^^^&{NOWHERE.universal_id}0&ISO"
    answer = pdq(site, *by_id(one), wanted=wanted)
    in_error(answer, ("QPD^1^8^1", "204"), ("QPD^1^8^3", "204"))
    expect(len(answer.segments("ERR")) == 2, "an ERR for each that is unknown", seen(answer))


# -- continuation ----------------------------------------------------------------------------------------------------


def _namesakes(site: Site, number: int) -> list[Patient]:
    first = site.patient()
    made = [registered(site, like=replace(site.patient(), family=first.family)) for _ in range(number)]
    return sorted(made, key=lambda one: one.key)


@CHECKS.add("continue", "ITI-21", "ITI TF-2 3.21.4.2.2.7, 3.21.4.2.3", "increments by DSC: everybody once, then no DSC")
def _continue(site: Site) -> None:
    all_of_them, got, pointer, pointers = _namesakes(site, 5), [], "", []
    tag = site.number("T")
    for _ in range(4):
        answer = pdq(site, ("5.1.1", all_of_them[0].family), count=2, pointer=pointer, tag=tag)
        expect(answer.field("QAK", 1) == tag, "the same query tag", answer.field("QAK", 1))
        pids = found(answer)
        got.append([key for pid in pids for key in listed(pid)])
        pointer = answer.field("DSC", 1)
        if not pointer:
            break
        pointers.append(pointer)
    expect([len(each) for each in got] == [2, 2, 1], "increments of 2, 2 and 1", [len(each) for each in got])
    everybody = [one.key for one in all_of_them]
    expect(sorted(key for each in got for key in each) == everybody, "everybody once", got)
    expect(len(set(pointers)) == 2, "two pointers that differ", pointers)


@CHECKS.add("continue.enough", "ITI-21", "ITI TF-2 3.21.4.2.2.7", "as many as are asked for: no DSC")
def _enough(site: Site) -> None:
    two = _namesakes(site, 2)
    answer = pdq(site, ("5.1.1", two[0].family), count=2)
    expect(len(found(answer)) == 2 and not answer.segments("DSC"), "two PID, no DSC", seen(answer))


@CHECKS.add("continue.wanted", "ITI-21", f"{_CASES} case 2", "increments hold those alone who are in the wanted domain")
def _continue_wanted(site: Site) -> None:
    family = _namesakes(site, 3)[0].family
    other = [registered(site, site.second, like=replace(site.patient(), family=family)) for _ in range(2)]
    got, pointer = [], ""
    for _ in range(3):
        answer = pdq(site, ("5.1.1", family), wanted=f"^^^{site.second.whole}", count=1, pointer=pointer)
        got.append([key for pid in found(answer) for key in listed(pid)])
        pointer = answer.field("DSC", 1)
        if not pointer:
            break
    expect(sorted(got) == sorted([one.key] for one in other), "increments of one, two in all", got)


@CHECKS.add("continue.cancel", "ITI-21", "ITI TF-2 3.21.4.3", "QCN^J01 ends a query, and is acknowledged by ACK")
def _cancel(site: Site) -> None:
    tag = site.number("T")
    answer = pdq(site, ("5.1.1", _namesakes(site, 3)[0].family), count=1, tag=tag)
    expect(len(found(answer)) == 1 and bool(answer.field("DSC", 1)), "one PID and DSC", seen(answer))
    message = site.message("QCN^J01^QCN_J01", f"QID|{tag}|IHE PDQ Query")
    ended = taken(site.send(message))
    expect(ended.field("MSH", 9).split("^")[0] == "ACK", "MSH-9.1 ACK", ended.field("MSH", 9))
    expect(ended.field("MSA", 2) == message.split(b"|")[9].decode(), "MSA-2 to be MSH-10", ended.field("MSA", 2))


# -- what cannot be asked --------------------------------------------------------------------------------------------


@CHECKS.add("no-criteria", "ITI-21", "ITI TF-2 table 3.21-2", "without QPD-3: refused, 101 at QPD-3")
def _no_criteria(site: Site) -> None:
    refused(pdq(site), ("101",), "QPD^1^3")


@CHECKS.add("unknown-field", "ITI-21", "HL7 v2.5.1 2.A.59", "no element of PID, so no answer to it", Level.OPTIONAL)
def _unknown_field(site: Site) -> None:
    one = registered(site)
    answer = pdq(site, ("5.1.1", one.family), ("99.1", "SOMETHING"))
    erroneous(answer)
    expect(not answer.segments("PID"), "no PID", seen(answer))


@CHECKS.add("no-QPD", "ITI-21", "ITI TF-2 table 3.21-1", "without QPD: refused, 100 or 101 at QPD")
def _no_qpd(site: Site) -> None:
    refused(supported(site.ask("QBP^Q22^QBP_Q21", "RCP|I")), ("100", "101"), "QPD")
