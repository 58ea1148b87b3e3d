"""The feed: who is registered or updated is known from then on (ITI-8, ITI-30, RAD-1, RAD-12)."""

from collections.abc import Callable
from dataclasses import replace

from conformance.identity.messages import NOW
from conformance.identity.queries import registered, stated
from conformance.identity.site import Site
from conformance.identity.suite import Checks, expect, taken

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


def _registers(event: str, version: str) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        one = site.patient()
        taken(site.adt(event, one.pid(), version=version))
        stated(site, one)

    return run


def _updates(event: str, version: str) -> Callable[[Site], None]:
    def run(site: Site) -> None:
        one = registered(site)
        new = site.patient(sex="M")
        changed = replace(new, number=one.number)
        taken(site.adt(event, changed.pid(), version=version))
        stated(site, changed)

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
        stated(site, one)

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
    stated(site, one)
