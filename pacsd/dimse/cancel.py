"""C-CANCEL (PS3.7 9.3.2.3) while an operation of ours runs."""

from pacsd.dimse.association import Association, Message
from pacsd.dimse.command import C_CANCEL_RQ, MESSAGE_ID_BEING_RESPONDED_TO
from pacsd.dimse.violations import AbortReason, Violation


def cancelled(association: Association, running: Message) -> bool:
    """Read what the peer has just said: whether it cancels the running operation.

    Only one operation at a time was agreed, so anything but a C-CANCEL is a violation, and the answer to a notification
    of ours.
    """
    message = association.receive_response()
    if association.notifications.answered(message.command):
        return False
    if message.command.field != C_CANCEL_RQ:
        raise Violation(AbortReason.UNEXPECTED_PARAMETER, "a second operation was not agreed")
    return message.command.number(MESSAGE_ID_BEING_RESPONDED_TO) == running.command.message_id
