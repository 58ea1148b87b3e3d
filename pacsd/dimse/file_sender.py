"""Files on their way to a peer: Storage as SCU (PS3.4 B.2) over an association of our own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pacsd.dimse.association import ObjectReader, Timeouts
from pacsd.dimse.dialling import Dial, Remote
from pacsd.dimse.requestor import Answer, Outgoing, Proposal, Requestor
from pacsd.dimse.violations import AssociationEnded
from pacsd.faults import Fault, PacsdError


class FileSender:
    """An open association over which objects go one by one, each in the transfer syntax that it is in."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    def takes(self, sop_class_uid: str, transfer_syntax_uid: str) -> bool:
        """Whether the peer accepted objects of that class in that very syntax."""
        return self._outgoing.accepted(sop_class_uid, transfer_syntax_uid) is not None

    def store(
        self, reader: ObjectReader, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
    ) -> Answer:
        """C-STORE (PS3.7 9.1.1). Raises PacsdError UNAVAILABLE when the association is over."""
        try:
            return self._outgoing.store(
                reader, sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid,
                transfer_syntax_uid=transfer_syntax_uid,
            )  # fmt: skip
        except (AssociationEnded, OSError) as error:
            raise PacsdError(Fault.UNAVAILABLE, f"the association was lost: {error}") from error


@contextmanager
def file_sender(
    remote: Remote, contexts: Sequence[tuple[str, str]], *, calling: str, dial: Dial, timeout_s: float
) -> Iterator[FileSender]:
    """An association that asks for `contexts`, at most 128 pairs of SOP class and transfer syntax.

    Raises PacsdError UNAVAILABLE if nobody answers, REFUSED if the peer rejects it.
    """
    requestor = Requestor(
        calling, timeouts=Timeouts(artim_s=timeout_s, idle_s=timeout_s), connect_timeout_s=timeout_s, dial=dial
    )
    with requestor.connect(remote, [Proposal(sop_class, (syntax,)) for sop_class, syntax in contexts]) as outgoing:
        yield FileSender(outgoing)
