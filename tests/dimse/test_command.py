"""Command sets: round trip, agreement with pydicom, hostile bytes."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.filereader import read_dataset

from pacsd.dimse import command
from pacsd.dimse.violations import Violation


def test_what_is_written_reads_back_and_pydicom_agrees() -> None:
    wire = command.encode(
        {
            command.STATUS: 0xA700,
            command.COMMAND_FIELD: command.C_STORE_RSP,
            command.AFFECTED_SOP_CLASS_UID: "1.2.3",
            command.ERROR_COMMENT: "x" * 70,
            command.OFFENDING_ELEMENT: (0x00100020, 0x0020000D),
            command.MESSAGE_ID_BEING_RESPONDED_TO: 7,
        }
    )
    read = command.decode(wire)
    assert (read.field, read.status, read.text(command.AFFECTED_SOP_CLASS_UID)) == (0x8001, 0xA700, "1.2.3")
    assert len(read.text(command.ERROR_COMMENT)) == 64
    reference = read_dataset(BytesIO(wire), is_implicit_VR=True, is_little_endian=True)
    assert reference.Status == 0xA700 and reference.OffendingElement == [0x00100020, 0x0020000D]
    assert reference.CommandGroupLength == len(wire) - 12 and reference.MessageIDBeingRespondedTo == 7


def test_normalized_commands_read_back_and_pydicom_agrees() -> None:
    wire = command.encode(
        {
            command.COMMAND_FIELD: command.N_GET_RQ,
            command.REQUESTED_SOP_CLASS_UID: "1.2.3",
            command.REQUESTED_SOP_INSTANCE_UID: "1.2.3.4.5",
            command.ATTRIBUTE_IDENTIFIER_LIST: (0x00100020, 0x7FE00010),
            command.ACTION_TYPE_ID: 3,
            command.EVENT_TYPE_ID: 5,
            command.ERROR_ID: 0xA710,
        }
    )
    read = command.decode(wire)
    assert read.tags(command.ATTRIBUTE_IDENTIFIER_LIST) == (0x00100020, 0x7FE00010)
    assert read.text(command.REQUESTED_SOP_INSTANCE_UID) == "1.2.3.4.5"
    reference = read_dataset(BytesIO(wire), is_implicit_VR=True, is_little_endian=True)
    assert reference.AttributeIdentifierList == [0x00100020, 0x7FE00010] and reference.RequestedSOPClassUID == "1.2.3"
    assert (reference.ActionTypeID, reference.EventTypeID, reference.ErrorID) == (3, 5, 0xA710)


def test_a_list_of_tags_that_is_none_is_told() -> None:
    assert command.Command({}).tags(command.ATTRIBUTE_IDENTIFIER_LIST) == ()
    assert command.Command({command.ATTRIBUTE_IDENTIFIER_LIST: b"\0" * 6}).tags(0x1005) is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=80))
def test_random_bytes_are_a_violation_or_a_command(wire: bytes) -> None:
    try:
        command.decode(wire)
    except Violation:
        return


@pytest.mark.parametrize("cut", [1, 2, 7, 9, 11, 19])
def test_a_cut_command_is_a_violation(cut: int) -> None:
    wire = command.encode({command.COMMAND_FIELD: 1, command.MESSAGE_ID: 1})
    with pytest.raises(Violation):
        command.decode(wire[:-cut])
