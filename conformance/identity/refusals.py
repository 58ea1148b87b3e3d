"""Messages of the feed that must be refused, with which code of HL7 table 0357, and where (ITI TF-2 C.2.3)."""

from dataclasses import replace

from conformance.identity.messages import NOW
from conformance.identity.queries import registered, stated
from conformance.identity.site import Site
from conformance.identity.suite import Checks, expect, refused, seen, taken

CHECKS = Checks("feed")


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
    stated(site, registered(site))


@CHECKS.add("refuse.changes-nothing", "ITI-30", "ITI TF-2 C.2.3.1", "a message that is in error changes no patient")
def _changes_nothing(site: Site) -> None:
    one = registered(site)
    changed = replace(site.patient(sex="M"), number=one.number)
    answer = site.adt("A40", changed.pid(), f"MRG|||||||{one.name}")
    expect(answer.code in ("AE", "AR"), "AE or AR", seen(answer))
    stated(site, one)
