"""Presentation contexts, roles and extended negotiation."""

from typing import Any

from pacsd.access.directory import Peer
from pacsd.dimse.associate import (
    AssociateReject,
    AssociateRequest,
    ExtendedNegotiation,
    ProposedContext,
    Role,
    UserIdentity,
    UserInformation,
)
from pacsd.dimse.negotiation import Acceptance, Policy, negotiate, wants_queries
from tests.dimse.fakes import peer
from tests.dimse.wire import CT, EXPLICIT, IMPLICIT, VERIFICATION

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
PRIVATE = "1.2.826.0.1.3680043.10.54321.9.1"


def asked(*contexts: tuple[str, tuple[str, ...]], **user: Any) -> AssociateRequest:
    proposed = tuple(ProposedContext(2 * n + 1, *one) for n, one in enumerate(contexts))
    return AssociateRequest("PACSD", "PEER", proposed, UserInformation(max_pdu_bytes=16384, **user))


def answered(request: AssociateRequest, *, who: Peer | None = None, private: tuple[str, ...] = ()) -> Acceptance:
    policy = Policy(max_pdu_bytes=1 << 20, private_sop_classes=frozenset(private))
    decision = negotiate(request, identify=lambda calling, called: who or peer(calling), policy=policy)
    assert isinstance(decision, Acceptance)
    return decision


def test_each_context_is_answered_for_itself() -> None:
    decision = answered(
        asked(
            (VERIFICATION, (IMPLICIT,)), (PRIVATE, (IMPLICIT,)), (FIND, ("1.2.840.10008.1.2.4.50",)), (CT, (EXPLICIT,))
        )
    )
    assert [one.result for one in decision.answer.contexts] == [0, 3, 4, 0]
    assert set(decision.contexts) == {1, 7}


def test_private_classes_by_configuration() -> None:
    assert answered(asked((PRIVATE, (IMPLICIT,))), private=(PRIVATE,)).answer.contexts[0].result == 0


def test_roles_for_storage_only() -> None:
    roles = (Role(CT, False, True), Role(FIND, True, True), Role(PRIVATE, True, True))
    decision = answered(asked((CT, (EXPLICIT,)), (FIND, (EXPLICIT,)), roles=roles))
    assert decision.answer.user.roles == (Role(CT, False, True), Role(FIND, True, False))
    assert decision.contexts[1].requestor_is_scp and not decision.contexts[1].requestor_is_scu


def test_without_a_role_the_requestor_is_scu() -> None:
    context = answered(asked((CT, (EXPLICIT,)))).contexts[1]
    assert context.requestor_is_scu and not context.requestor_is_scp


def test_extended_negotiation_answers_no_more_than_was_asked() -> None:
    extended = (
        ExtendedNegotiation(FIND, b"\1\0\1\1\1"),
        ExtendedNegotiation(MOVE, b"\1\1"),
        ExtendedNegotiation(CT, b"\2\0\3\0\1\0"),
        ExtendedNegotiation(PRIVATE, b"\1"),
    )
    decision = answered(asked((FIND, (EXPLICIT,)), extended=extended))
    assert decision.answer.user.extended == (
        ExtendedNegotiation(FIND, b"\1\0\1\0\0"),
        ExtendedNegotiation(MOVE, b"\1\0"),
        ExtendedNegotiation(CT, b"\2\0\3\0\0\0"),
    )
    options = decision.options[FIND]
    assert (options.relational, options.combined_datetime, options.fuzzy) == (True, False, True)


def test_asynchronous_operations_are_answered_one_by_one() -> None:
    assert answered(asked(async_window=(8, 8))).answer.user.async_window == (1, 1)
    assert answered(asked()).answer.user.async_window is None


def test_an_identity_is_answered_only_when_asked_to() -> None:
    assert answered(asked(identity=UserIdentity(2, True))).answer.user.identity_response == b""
    assert answered(asked(identity=UserIdentity(2, False))).answer.user.identity_response is None


def test_an_absurd_maximum_length_is_rejected() -> None:
    request = AssociateRequest("PACSD", "PEER", (), UserInformation(max_pdu_bytes=10))
    decision = negotiate(request, identify=lambda calling, called: peer(calling), policy=Policy(max_pdu_bytes=1))
    assert isinstance(decision, AssociateReject)


def test_a_viewer_that_may_only_get_still_gets_its_storage_contexts() -> None:
    who = peer("VIEWER", services=frozenset(("get",)))
    decision = answered(asked((CT, (EXPLICIT,)), roles=(Role(CT, True, True),)), who=who)
    assert decision.answer.user.roles == (Role(CT, False, True),)


def test_queries_are_recognised_for_the_handover() -> None:
    assert wants_queries(asked((CT, (EXPLICIT,)), (MOVE, (EXPLICIT,))))
    assert not wants_queries(asked((CT, (EXPLICIT,)), (VERIFICATION, (EXPLICIT,))))
