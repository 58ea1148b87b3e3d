"""Verification: C-ECHO (PS3.4 A, PS3.7 9.1.5)."""

from pacsd.dimse.association import Association, Message
from pacsd.dimse.services import Services
from pacsd.dimse.statuses import SUCCESS, response


def answer(association: Association, message: Message, services: Services) -> None:
    """Success; there is nothing else to say."""
    association.send(message.context, response(message.command, SUCCESS))
