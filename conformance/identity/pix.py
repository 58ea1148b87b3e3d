"""PIX Query (ITI-9): the six cases of ITI TF-2 3.9.4.2.2.6, and the form of the answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from conformance.identity.queries import (
    found,
    in_error,
    known,
    linked,
    listed,
    nothing,
    others,
    person,
    pix,
    qualified,
    registered,
    unknown,
)
from conformance.identity.site import NOWHERE, Site
from conformance.identity.suite import Checks, expect, refused, seen
from conformance.judging import Level

CHECKS = Checks("pix")
_CASES = "ITI TF-2 3.9.4.2.2.6"
_MOST_AT_ONCE = 8


@CHECKS.add("case-1", "ITI-9", f"{_CASES} case 1", "the identifier in the wanted domain, without the one asked for")
def _known(site: Site) -> None:
    one, other = person(site)
    came = others(pix(site, one.cx(), f"^^^{site.second.whole}"))
    expect(came == [other.key], f"{[other.key]} alone", came)


@CHECKS.add("case-1.back", "ITI-9", f"{_CASES} case 1", "the same the other way round")
def _back(site: Site) -> None:
    one, other = person(site)
    came = others(pix(site, other.cx(), f"^^^{site.first.whole}"))
    expect(came == [one.key], f"{[one.key]} alone", came)


@CHECKS.add("case-1.two-domains", "ITI-9", f"{_CASES} case 1", "of two wanted domains that in which there is another")
def _two_domains(site: Site) -> None:
    one, other = person(site)
    came = others(pix(site, one.cx(), f"^^^{site.first.whole}~^^^{site.second.whole}"))
    expect(came == [other.key], f"{[other.key]} alone", came)


@CHECKS.add("all-domains", "ITI-9", "ITI TF-2 3.9.4.1.2.2", "QPD-4 left empty asks for all domains")
def _all_domains(site: Site) -> None:
    one, other = person(site)
    came = others(pix(site, one.cx()))
    expect(other.key in came and one.key not in came, f"{other.key} and not {one.key}", came)


def _asked_by(form: int) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        one, other = person(site)
        came = others(pix(site, one.cx(one.domain.forms[form]), f"^^^{site.second.forms[form]}"))
        expect(came == [other.key], f"{[other.key]} alone", came)

    return run


for _number, _what in enumerate(("namespace id", "universal id", "namespace and universal id")):
    CHECKS.add(f"domain.{_what.replace(' ', '-')}", "ITI-9", "ITI TF-2 3.9.4.1.3",
               f"domains of QPD-3 and QPD-4 named by {_what}")(_asked_by(_number))  # fmt: skip


@CHECKS.add("answer.qualified", "ITI-9", "ITI TF-2 3.9.4.2.2.5", "PID-3 has all subcomponents of the authority")
def _qualified(site: Site) -> None:
    one, other = person(site)
    (pid,) = found(pix(site, one.cx(), f"^^^{site.second.namespace}"))
    expect(qualified(pid) == [(other.number, site.second.whole)], f"{other.number} of {site.second.whole}",
           qualified(pid))  # fmt: skip


@CHECKS.add("answer.nameless", "ITI-9", "ITI TF-2 3.9.4.2.2.5", "PID-5 is empty, then of type S; PID has no more")
def _nameless(site: Site) -> None:
    one, other = person(site)
    (pid,) = found(pix(site, one.cx()))
    expect(other.key in listed(pid), f"{other.key}", listed(pid))
    first, *rest = [name.split("^") for name in pid[5].split("~")] if len(pid) > 5 else [[]]
    expect(not any(first) and len(rest) == 1, "an empty name and a second one", pid[5:6])
    expect(rest[0][6:7] == ["S"] and not any(rest[0][:6] + rest[0][7:]), "component 7 to be S alone", pid[5])
    stated = [number for number, value in enumerate(pid) if number and value]
    expect(set(stated) <= {1, 3, 5}, "only what HL7 requires of PID", stated)


@CHECKS.add("answer.form", "ITI-9", "ITI TF-2 3.9.4.2.2", "MSH-9, MSA-2, QAK-1, QPD and the addresses of the answer")
def _form(site: Site) -> None:
    one = registered(site)
    query = f"QPD|IHE PIX Query|{site.number('T')}|{one.cx()}|^^^{site.second.whole}"
    message = site.message("QBP^Q23^QBP_Q21", query, "RCP|I")
    answer = site.send(message)
    nothing(answer)
    expect(answer.field("MSH", 9) == "RSP^K23^RSP_K23", "RSP^K23^RSP_K23", answer.field("MSH", 9))
    expect(answer.field("MSA", 2) == message.split(b"|")[9].decode(), "MSA-2 to be MSH-10", answer.field("MSA", 2))
    expect(answer.field("QAK", 1) == query.split("|")[2], "QAK-1 to be the query tag", answer.field("QAK", 1))
    echoed = "|".join(answer.segments("QPD")[0]) if answer.segments("QPD") else ""
    expect(echoed == query, "QPD as it was sent", echoed)
    to = answer.field("MSH", 5), answer.field("MSH", 6)
    expect(to == (site.application, site.facility), "MSH-5 and MSH-6 to be who asks", to)


@CHECKS.add("case-2", "ITI-9", f"{_CASES} case 2", "no identifier in the wanted domain: AA, NF, no PID")
def _none(site: Site) -> None:
    nothing(pix(site, registered(site).cx(), f"^^^{site.second.whole}"))
    unknown(site, site.patient())


@CHECKS.add("case-2.own-domain", "ITI-9", f"{_CASES} case 2", "in its own domain there is none but the one asked for")
def _own_domain(site: Site) -> None:
    one, _ = person(site)
    nothing(pix(site, one.cx(), f"^^^{site.first.whole}"))
    others(pix(site, one.cx(), f"^^^{site.second.whole}"))


@CHECKS.add("case-3", "ITI-9", f"{_CASES} case 3", "an unknown patient: AE, 204 at QPD-3.1")
def _unknown(site: Site) -> None:
    known(site, registered(site))
    in_error(pix(site, site.patient().cx(), f"^^^{site.second.whole}"), ("QPD^1^3^1^1", "204"))


@CHECKS.add("case-4", "ITI-9", f"{_CASES} case 4", "an unknown domain: AE, 204 at QPD-3.4")
def _unknown_domain(site: Site) -> None:
    one = registered(site)
    in_error(pix(site, one.cx(NOWHERE.whole), f"^^^{site.second.whole}"), ("QPD^1^3^1^4", "204"))


@CHECKS.add("case-5", "ITI-9", f"{_CASES} case 5", "an unknown wanted domain: AE, 204 at QPD-4 with its ordinal")
def _unknown_wanted(site: Site) -> None:
    one, _ = person(site)
    answer = pix(site, one.cx(), f"^^^{site.second.whole}~^^^{NOWHERE.whole}")
    in_error(answer, ("QPD^1^4^2", "204"))
    expect(len(answer.segments("ERR")) == 1, "no ERR for the domain that is known", seen(answer))


@CHECKS.add("case-6", "ITI-9", f"{_CASES} case 6", "several of a domain stand together", Level.OPTIONAL)
def _several(site: Site) -> None:
    one, other = person(site)
    second = registered(site, site.second, like=one)
    linked(site, one, second)
    linked(site, other, second)
    came = others(pix(site, one.cx()))
    expect({other.key, second.key} <= set(came), f"{other.key} and {second.key}", came)
    domains = [domain for _, domain in came]
    expect(len(list(groupby(domains))) == len(set(domains)), "each domain's together", came)


@CHECKS.add("no-id", "ITI-9", "ITI TF-2 table 3.9-2", "without QPD-3: refused, 101 at QPD-3")
def _no_id(site: Site) -> None:
    refused(pix(site, "", f"^^^{site.second.whole}"), ("101",), "QPD^1^3")


@CHECKS.add("no-QPD", "ITI-9", "ITI TF-2 table 3.9-1", "without QPD: refused, 100 or 101 at QPD")
def _no_qpd(site: Site) -> None:
    refused(site.ask("QBP^Q23^QBP_Q21", "RCP|I"), ("100", "101"), "QPD")


@CHECKS.add("concurrent", "ITI-9", "ITI TF-2 3.9.4.1.3", f"{_MOST_AT_ONCE} queries at once get each its own answer")
def _concurrent(site: Site) -> None:
    pairs = [person(site) for _ in range(_MOST_AT_ONCE // 2)] * 2
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        answers = list(pool.map(lambda pair: pix(site, pair[0].cx(), tag=pair[0].number), pairs))
    for (one, other), answer in zip(pairs, answers, strict=True):
        expect(answer.field("QAK", 1) == one.number, f"the answer to {one.number}", answer.field("QAK", 1))
        expect(other.key in others(answer), f"{other.key}", others(answer))
