"""Answers to queries (HL7 v2.5.1 5.4.1): MSH, MSA, an ERR for each error, QAK, QPD as it came, data, DSC."""

from datetime import datetime

from hl7.acknowledgement import answer_header, answers, error_segment, wanted, written
from hl7.header import Header
from hl7.message import Message
from hl7.ports import Answered, Response


def responses(
    message: Message, header: Header, answered: Answered, response: Response, *, at: datetime,
    control_ids: tuple[str, str],
) -> list[bytes]:  # fmt: skip
    """What a query gets: the response and, in enhanced mode, before it the accept acknowledgement it asks for."""
    asked = wanted(header, success=not response.errors)
    found = []
    if asked.accept:
        accepted = answers(header, None, at=at, control_ids=control_ids)
        found.append(accepted[0])
    if asked.application:
        found.append(_written(message, header, answered, response, at, control_ids[1], enhanced=asked.enhanced))
    return found


def _written(
    message: Message, header: Header, answered: Answered, response: Response, at: datetime, control_id: str, *,
    enhanced: bool,
) -> bytes:  # fmt: skip
    kind = header.delimiters.component.join(answered.answer)
    query = message.segment("QPD")
    tag = query.field(2) if query is not None else ""
    lines: list[list[str]] = [
        answer_header(header, kind, at, control_id, enhanced=enhanced),
        ["MSA", "AE" if response.errors else "AA", header.sent(10)],
        *(error_segment(header, error) for error in response.errors),
        ["QAK", tag, "AE" if response.errors else response.status],
        [query.text] if query is not None else ["QPD"],
        *(list(segment) for segment in response.segments),
    ]
    if response.pointer:
        lines.append(["DSC", response.pointer, "I"])
    return written(header, lines)
