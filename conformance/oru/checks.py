"""What a receiver of ORU^R01 must do: from IHE RAD TF-2 4.28, RD 4.128, ITI TF-2 Appendix C, and HL7 v2.5.1."""

from collections.abc import Callable
from dataclasses import dataclass

from conformance.judging import Checks, Failed, Level, NotSupported
from conformance.oru.messages import IMPRESSION, PDF, Order, Orders, text
from conformance.oru.peer import Answer, Peer

Ask = Callable[[bytes], Answer]


Run = Callable[[Peer, Orders], None]


@dataclass(frozen=True, slots=True)
class Visit:
    """A connection to the receiver, and orders to tell results of."""

    peer: Peer
    orders: Orders


CHECKS: Checks[Visit] = Checks("oru")


def _check(
    name: str, transaction: str, clause: str, title: str, *, required: bool = True
) -> Callable[[Run], Run]:
    def declare(run: Run) -> Run:
        level = Level.REQUIRED if required else Level.OPTIONAL
        CHECKS.add(name, transaction, clause, title, level)(lambda visit: run(visit.peer, visit.orders))
        return run

    return declare


def _expect(condition: bool, what: str, answer: Answer) -> None:
    if not condition:
        raise Failed(f"expected {what}; came {answer.code} {answer.field('MSA', 2)} {answer.condition} {answer.place}")


def _taken(answer: Answer) -> None:
    _expect(answer.code == "AA", "AA", answer)


def _refused(answer: Answer, conditions: tuple[str, ...], place: str = "") -> None:
    _expect(answer.code in ("AE", "AR"), "AE or AR", answer)
    _expect(answer.condition in conditions, f"ERR with {' or '.join(conditions)} of table 0357", answer)
    if place:
        _expect(answer.place == place, f"ERR naming {place}", answer)


@_check("accept.v231", "RAD-28", "RAD TF-2 4.28.4.1", "a final report in HL7 v2.3.1 is accepted")
def _v231(peer: Peer, orders: Orders) -> None:
    order = orders.next()
    uid = order.study_instance_uid
    _taken(peer.ask(order.oru(
        f"HD|113014^DICOM Study^DCM||{uid}||||||F", text("Clear lungs.", "^SR Text"), version="2.3.1",
    ).encode()))  # fmt: skip


@_check("accept.v251", "RAD-128", "RD 4.128.4.1", "a final result in HL7 v2.5.1 is accepted")
def _v251(peer: Peer, orders: Orders) -> None:
    order = orders.next()
    _taken(peer.ask(order.oru(order.study(), text("Clear lungs."), text("Normal.", IMPRESSION)).encode()))


@_check("acknowledgement.echo", "RAD-28", "HL7 v2.5.1 2.9.2.2", "the answer names the message and its sender")
def _echo(peer: Peer, orders: Orders) -> None:
    message = orders.next().oru(text("x"))
    answer = peer.ask(message.encode())
    sent = message.split("|")
    _taken(answer)
    _expect(answer.field("MSA", 2) == sent[9], "MSA-2 to be MSH-10 of the message", answer)
    _expect(answer.field("MSH", 9).split("^")[0] == "ACK", "MSH-9.1 to be ACK", answer)
    to = answer.field("MSH", 5), answer.field("MSH", 6)
    _expect(to == (sent[2], sent[3]), "MSH-5 and MSH-6 to be the sender", answer)


@_check("acknowledgement.enhanced", "RAD-28", "HL7 v2.5.1 2.9.3", "MSH-15 AL and MSH-16 NE get CA", required=False)
def _enhanced(peer: Peer, orders: Orders) -> None:
    answer = peer.ask(orders.next().oru(text("x"), acknowledgements="AL|NE").encode())
    if answer.code == "AA":
        raise NotSupported("answers in original mode")
    _expect(answer.code == "CA", "CA", answer)


@_check("status.sequence", "RAD-28", "RAD TF-2 4.28.4.1.2", "preliminary, final and corrected results of one order")
def _sequence(peer: Peer, orders: Orders) -> None:
    order = orders.next()
    for hour, status in enumerate("PFC", 10):
        line = text(f"Status {status}.", status=status)
        _taken(peer.ask(order.oru(line, status=status, time=f"20260101{hour}0000").encode()))


@_check("status.unknown", "RAD-28", "HL7 v2.5.1 table 0123", "a status that is in no table is refused")
def _status(peer: Peer, orders: Orders) -> None:
    _refused(peer.ask(orders.next().oru(text("x"), status="Q").encode()), ("103", "102"), "OBR")


@_check("repeat", "RAD-28", "HL7 v2.5.1 2.9.2", "the same message again is acknowledged again")
def _repeat(peer: Peer, orders: Orders) -> None:
    message = orders.next().oru(text("Once.")).encode()
    for _ in range(2):
        _taken(peer.ask(message))


def _without(name: str, place: str, conditions: tuple[str, ...], change: Callable[[str], str]) -> None:
    def run(peer: Peer, orders: Orders) -> None:
        message = change(orders.next().oru(text("x")))
        _refused(peer.ask(message.encode()), conditions, place)

    _check(f"missing.{name}", "RAD-28", "ITI TF-2 C.2.3, HL7 v2.5.1 7.3.1", f"without {name} it is refused")(run)


def _cut(segment: str) -> Callable[[str], str]:
    return lambda message: "".join(f"{line}\r" for line in message.split("\r") if line and line[:3] != segment)


_without("PID", "PID", ("100", "101"), _cut("PID"))
_without("OBR", "OBR", ("100", "101"), _cut("OBR"))


@_check("missing.patient-id", "RAD-28", "HL7 v2.5.1 3.4.2.3", "without PID-3 it is refused with 101")
def _patient(peer: Peer, orders: Orders) -> None:
    order = orders.next()
    lines = order.oru(text("x")).split("\r")
    lines[1] = "PID|1||||NAME^ONLY"
    _refused(peer.ask("\r".join(lines).encode()), ("101",), "PID")


@_check("missing.control-id", "RAD-28", "HL7 v2.5.1 2.15.9.10", "without MSH-10 it is refused with 101")
def _control_id(peer: Peer, orders: Orders) -> None:
    fields = orders.next().oru(text("x")).split("|", 10)
    fields[9] = ""
    _refused(peer.ask("|".join(fields).encode()), ("101",), "MSH")


@_check("event.unsupported", "RAD-28", "ITI TF-2 C.2.3", "an event that nobody knows is rejected with 201")
def _event(peer: Peer, orders: Orders) -> None:
    answer = peer.ask(orders.next().oru(text("x"), event="R99").encode())
    _refused(answer, ("201", "200"))
    _expect(answer.code == "AR", "AR", answer)


@_check("value.number", "RAD-128", "HL7 v2.5.1 2.A.47", "NM that is no number is refused with 102")
def _number(peer: Peer, orders: Orders) -> None:
    line = "NM|8867-4^Heart rate^LN||seventy|/min|||||F"
    _refused(peer.ask(orders.next().oru(line).encode()), ("102",), "OBX")


@_check("value.types", "RAD-128", "HL7 v2.5.1 table 0125", "numbers, codes, dates and structured numbers are accepted")
def _types(peer: Peer, orders: Orders) -> None:
    order: Order = orders.next()
    _taken(peer.ask(order.oru(
        order.study(), "NM|8867-4^Heart rate^LN||72.5|/min^^UCUM|60-80|N|||F", "SN|1^Size^L||>^5|mm|||||F",
        "CE|2^Grade^L||27268008^Salmonella^SCT||||||F", "DT|3^Next^L||20260301||||||F", "ST|4^Note^L||Once.||||||F",
    ).encode()))  # fmt: skip


@_check("text.escapes", "RAD-128", "HL7 v2.5.1 2.7", "escape sequences, repetitions and formatting are accepted")
def _escapes(peer: Peer, orders: Orders) -> None:
    words = "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\X41\\g\\.br\\h\\H\\i\\N\\~second line"
    _taken(peer.ask(orders.next().oru(f"FT|59776-5^Procedure findings^LN||{words}||||||F").encode()))


@_check("document.pdf", "RAD-128", "HL7 v2.5.1 2.A.24", "an encapsulated PDF is accepted", required=False)
def _pdf(peer: Peer, orders: Orders) -> None:
    answer = peer.ask(orders.next().oru(f"ED|PDF^Report^L||^application^pdf^Base64^{PDF}||||||F").encode())
    if answer.code in ("AE", "AR") and answer.condition == "103":
        raise NotSupported("takes no documents")
    _taken(answer)


@_check("document.damaged", "RAD-128", "HL7 v2.5.1 2.A.24", "data that is no Base64 is refused", required=False)
def _damaged(peer: Peer, orders: Orders) -> None:
    answer = peer.ask(orders.next().oru("ED|PDF^Report^L||^application^pdf^Base64^!!!||||||F").encode())
    _refused(answer, ("102", "103"), "OBX")


def _charset(name: str, codec: str, words: str) -> None:
    def run(peer: Peer, orders: Orders) -> None:
        message = orders.next().oru(text(words), charset=name).encode(codec)
        answer = peer.ask(message)
        if answer.code == "AR" and answer.condition == "103":
            raise NotSupported(f"does not read {name}")
        _taken(answer)

    title = f"{name} is read before separators are looked for"
    _check(f"charset.{codec}", "RAD-28", "HL7 v2.5.1 2.15.9.18, table 0211", title, required=False)(run)


# second byte of the last four in GB 18030: | ^ ~ and the escape character
_charset("UNICODE UTF-8", "utf-8", "\u53cc\u80ba\u6e05\u6670\uff0c\u672a\u89c1\u5f02\u5e38")
_charset("GB 18030-2000", "gb18030", "\u53cc\u80ba\u6e05\u6670\u9b71\u7dc1\u7c74\u7dbe")


@_check("hostile.garbage", "RAD-28", "ITI TF-2 C.2.3", "a message that is cut inside MSH gets a negative answer")
def _garbage(peer: Peer, orders: Orders) -> None:
    answer = peer.ask(b"MSH|^~\\&|CUT|OFF")
    _expect(answer.code in ("AE", "AR"), "AE or AR", answer)
    _taken(peer.ask(orders.next().oru(text("Afterwards.")).encode()))
