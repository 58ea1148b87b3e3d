"""A-ASSOCIATE PDUs: round trip, agreement with pynetdicom, hostile bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom import pdu as reference

from pacsd.dimse.associate import (
    AnsweredContext,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ExtendedNegotiation,
    ProposedContext,
    Role,
    UserInformation,
    decode_accept,
    decode_reject,
    decode_request,
    encode_accept,
    encode_reject,
    encode_request,
)
from pacsd.dimse.violations import Violation

uids = st.from_regex(r"\A[0-2](\.[1-9][0-9]{0,5}){1,8}\Z")
titles = st.from_regex(r"\A[A-Z][A-Z0-9_]{0,15}\Z")
users = st.builds(
    UserInformation,
    max_pdu_bytes=st.integers(0, 2**32 - 1),
    implementation_class_uid=uids,
    implementation_version=titles,
    async_window=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
    roles=st.lists(st.builds(Role, uids, st.booleans(), st.booleans()), max_size=3).map(tuple),
    extended=st.lists(st.builds(ExtendedNegotiation, uids, st.binary(min_size=1, max_size=6)), max_size=3).map(tuple),
)
few = settings(max_examples=60, deadline=None, derandomize=True)


@few
@given(titles, titles, st.lists(st.tuples(uids, st.lists(uids, min_size=1, max_size=4)), max_size=5), users)
def test_a_request_reads_back_and_pynetdicom_agrees(
    called: str, calling: str, proposed: list[tuple[str, list[str]]], user: UserInformation
) -> None:
    contexts = tuple(ProposedContext(2 * n + 1, one, tuple(syntaxes)) for n, (one, syntaxes) in enumerate(proposed))
    wire = encode_request(AssociateRequest(called, calling, contexts, user))
    read = decode_request(wire[6:])
    assert (read.called, read.calling, read.contexts, read.user) == (called, calling, contexts, user)
    theirs = reference.A_ASSOCIATE_RQ()
    theirs.decode(wire)
    assert theirs.encode() == wire
    assert [one.abstract_syntax for one in theirs.presentation_context] == [one.abstract_syntax for one in contexts]


@few
@given(st.lists(st.tuples(st.integers(0, 4), uids), max_size=5), users)
def test_an_acceptance_reads_back_and_pynetdicom_agrees(answers: list[tuple[int, str]], user: UserInformation) -> None:
    contexts = tuple(AnsweredContext(2 * n + 1, result, syntax) for n, (result, syntax) in enumerate(answers))
    wire = encode_accept(AssociateAccept(contexts, user, b"PACSD".ljust(16) + b"RAW".ljust(16) + bytes(32)))
    read = decode_accept(wire[6:])
    assert (read.contexts, read.user) == (contexts, user)
    theirs = reference.A_ASSOCIATE_AC()
    theirs.decode(wire)
    assert [one.result for one in theirs.presentation_context] == [one.result for one in contexts]


def test_a_rejection_reads_back() -> None:
    reject = AssociateReject(2, 3, 2)
    assert decode_reject(encode_reject(reject)[6:]) == reject


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=300))
def test_random_bytes_are_a_violation_or_a_request(body: bytes) -> None:
    for decode in (decode_request, decode_accept):
        try:
            decode(body)
        except Violation:
            continue


@pytest.mark.parametrize("ids", [(1, 1), (2,), (0,)])
def test_context_ids_are_odd_and_differ(ids: tuple[int, ...]) -> None:
    contexts = tuple(ProposedContext(one, "1.2", ("1.2",)) for one in ids)
    with pytest.raises(Violation):
        decode_request(encode_request(AssociateRequest("A", "B", contexts, UserInformation()))[6:])
