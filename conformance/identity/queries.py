"""PIX and PDQ queries, what their answers are held to, and patients that were fed before."""

from collections.abc import Sequence

from conformance.identity.messages import Domain, Patient
from conformance.identity.site import Site
from conformance.identity.suite import errors_of, expect, seen, supported, taken
from conformance.oru.peer import Answer


def pix(site: Site, person: str, wanted: str = "", *, tag: str = "") -> Answer:
    """QBP^Q23 (table 3.9-2); what is not supported says so."""
    query = f"QPD|IHE PIX Query|{tag or site.number('T')}|{person}" + (f"|{wanted}" if wanted else "")
    return supported(site.ask("QBP^Q23^QBP_Q21", query, "RCP|I"))


def pdq(
    site: Site, *criteria: tuple[str, str], wanted: str = "", count: int = 0, pointer: str = "", tag: str = "",
    charset: str = "",
) -> Answer:  # fmt: skip
    """QBP^Q22 (table 3.21-2). `criteria`: such as ("5.1.1", "SMITH")."""
    fields = "~".join(f"@PID.{element}^{value}" for element, value in criteria)
    query = f"QPD|IHE PDQ Query|{tag or site.number('T')}|{fields}" + (f"|||||{wanted}" if wanted else "")
    more = (f"DSC|{pointer}|I",) if pointer else ()
    control = f"RCP|I|{count}^RD" if count else "RCP|I"
    return supported(site.ask("QBP^Q22^QBP_Q21", query, control, *more, charset=charset))


def found(answer: Answer) -> list[list[str]]:
    """The segments PID of an answer that has some: AA, OK."""
    expect((answer.code, answer.field("QAK", 2)) == ("AA", "OK"), "AA and OK in QAK-2", seen(answer))
    return answer.segments("PID")


def nothing(answer: Answer) -> None:
    """An answer without data: AA, NF, no PID."""
    expect((answer.code, answer.field("QAK", 2)) == ("AA", "NF"), "AA and NF in QAK-2", seen(answer))
    expect(not answer.segments("PID"), "no PID")


def in_error(answer: Answer, *errors: tuple[str, str]) -> None:
    """A query that failed: AE in MSA-1 and in QAK-2, an ERR for each of these places, and no PID."""
    expect((answer.code, answer.field("QAK", 2)) == ("AE", "AE"), "AE, and AE in QAK-2", seen(answer))
    came = errors_of(answer)
    expect(all(one in came for one in errors), f"ERR with {errors}", came)
    expect(not answer.segments("PID"), "no PID")


def listed(pid: Sequence[str]) -> list[tuple[str, str]]:
    """Ids and namespaces of PID-3."""
    return [(number, authority.split("&")[0]) for number, authority in qualified(pid)]


def qualified(pid: Sequence[str]) -> list[tuple[str, str]]:
    """Ids of PID-3, and their assigning authorities as they came."""
    parts = [one.split("^") + [""] * 4 for one in (pid[3] if len(pid) > 3 else "").split("~") if one]
    return [(one[0], one[3]) for one in parts]


def others(answer: Answer) -> list[tuple[str, str]]:
    """The identifiers that a PIX query found, all in a single PID."""
    pids = found(answer)
    expect(len(pids) == 1, "one PID", len(pids))
    return listed(pids[0])


def by_id(one: Patient) -> tuple[tuple[str, str], ...]:
    """The criteria that name a patient's identifier."""
    return (("3.1", one.number), ("3.4.1", one.domain.namespace), ("3.4.2", one.domain.universal_id),
            ("3.4.3", one.domain.kind))  # fmt: skip


def shown(site: Site, one: Patient) -> list[list[str]]:
    """Each PID with a patient's identifier, asked for by it; records linked to it may be among them."""
    pids = [pid for pid in found(pdq(site, *by_id(one))) if one.key in listed(pid)]
    expect(bool(pids), "a PID with the identifier")
    return pids


def stated(site: Site, one: Patient) -> None:
    """What was said of a patient is shown of it, and nothing else."""
    pids = shown(site, one)
    expect(len(pids) == 1, "one PID with the identifier", len(pids))
    came = _traits(pids[0])
    expect(came == _said(one), str(_said(one)), came)


def kept(site: Site, *linked_ones: Patient) -> None:
    """What was said of each is shown still, as records of their own."""
    for one in linked_ones:
        came = [_traits(pid) for pid in shown(site, one)]
        expect(_said(one) in came and all(name for name, _, _ in came), str(_said(one)), came)


def _traits(pid: list[str]) -> tuple[str, str, str]:
    name, birth_date, sex = (pid + [""] * 9)[5], (pid + [""] * 9)[7], (pid + [""] * 9)[8]
    return "^".join(name.split("~")[0].split("^")[:2]), birth_date[:8], sex


def _said(one: Patient) -> tuple[str, str, str]:
    return one.name, one.birth_date, one.sex


def known(site: Site, one: Patient) -> None:
    """The manager recognizes an identifier: anything but case 3 of 3.9.4.2.2.6."""
    answer = pix(site, one.cx())
    expect(answer.code == "AA" and answer.field("QAK", 2) in ("OK", "NF"), "the identifier to be known", seen(answer))


def unknown(site: Site, one: Patient) -> None:
    """Case 3 of 3.9.4.2.2.6."""
    in_error(pix(site, one.cx()), ("QPD^1^3^1^1", "204"))


def registered(site: Site, domain: Domain | None = None, *, like: Patient | None = None, **given: str) -> Patient:
    """A patient that was fed by ADT^A28, or A04 where that is not taken."""
    one = site.patient(domain, like=like, **given)
    answer = site.adt("A28", one.pid())
    taken(site.adt("A04", one.pid(), version="2.3.1") if answer.code == "AR" else answer)
    return one


def person(site: Site) -> tuple[Patient, Patient]:
    """One person known in both domains: all that is stated is alike, and a link is sent, which need not be taken."""
    one = registered(site)
    other = registered(site, site.second, like=one)
    linked(site, one, other)
    return one, other


def linked(site: Site, one: Patient, other: Patient) -> None:
    """Say that two are one person; a manager without the option has its own way of knowing."""
    site.adt("A24", f"PID|||{one.cx()}||{one.name}", f"PID|||{other.cx()}||{other.name}")
