"""What a check is, and what answers are held to."""

from collections.abc import Sequence

from conformance import judging
from conformance.identity.site import Site
from conformance.judging import Failed, NotSupported
from conformance.oru.peer import Answer

UNSUPPORTED = ("200", "201")            # table 0357: message type, event

Check = judging.Check[Site]
Checks = judging.Checks[Site]


def expect(condition: bool, what: str, came: object = "") -> None:
    """Fail unless it is so."""
    if not condition:
        raise Failed(f"expected {what}, got {came}" if came != "" else f"expected {what}")


def seen(answer: Answer) -> str:
    """What matters of an answer, in a line."""
    errors = "; ".join(f"{place} {code}" for place, code in errors_of(answer))
    return " ".join(filter(None, (answer.code or "no MSA-1", answer.field("QAK", 2), errors)))


def errors_of(answer: Answer) -> list[tuple[str, str]]:
    """Place and condition of each ERR: ERR-2 and ERR-3.1, in ERR-1 before HL7 v2.5."""
    found = []
    for number, one in enumerate(answer.segments("ERR"), 1):
        if answer.field("ERR", 3, number):
            found.append((answer.field("ERR", 2, number), answer.field("ERR", 3, number).split("^")[0]))
        else:
            *place, code = ((one[1] if len(one) > 1 else "").split("^") + [""] * 4)[:4]
            found.append(("^".join(place).rstrip("^"), code.split("&")[0]))
    return found


def supported(answer: Answer) -> Answer:
    """An answer, unless it says that its kind of message is not taken (ITI TF-2 C.2.3)."""
    if answer.code == "AR" and any(code in UNSUPPORTED for _, code in errors_of(answer)):
        raise NotSupported(f"refused with {seen(answer)}")
    return answer


def taken(answer: Answer) -> Answer:
    """A message that has to be accepted."""
    supported(answer)
    expect(answer.code == "AA", "AA", seen(answer))
    return answer


def refused(answer: Answer, conditions: Sequence[str], place: str = "") -> None:
    """A message that must not be accepted; `conditions`: of table 0357; `place`: how ERR-2 begins."""
    expect(answer.code in ("AE", "AR"), "AE or AR", seen(answer))
    errors = errors_of(answer)
    said = any(code in conditions and f"{where}^".startswith(f"{place}^" if place else "") for where, code in errors)
    expect(said, f"ERR with {' or '.join(conditions)}{f' at {place}' if place else ''}", seen(answer))


def erroneous(answer: Answer) -> None:
    """A message that is an error, whichever of table 0357 it is said to be."""
    expect(answer.code in ("AE", "AR"), "AE or AR", seen(answer))
    expect(any(code and code != "0" for _, code in errors_of(answer)), "ERR with a condition of table 0357",
           seen(answer))  # fmt: skip
