"""What each HL7 file of the data folder is answered with, from HL7 tables 0008 and 0357; older than the receiver.

The rules, in the order in which they are asked (HL7 v2.5.1 2.9.2, 2.9.3, 2.16.2):

1. Separators that are not distinct make everything after them a guess: AE 102 at MSH-2.
2. MSH-9 type (200) or event (201) that nobody here acts on, then MSH-12 version (203), then MSH-11 processing id (202):
   AR. The receiver here is a production system: it takes P, with any processing mode, and neither T nor D.
3. What the message asks for: AE with the segment, field and component that cannot be used.
4. MSH-15 and MSH-16 both empty: original mode, AA AE AR. Else enhanced: CA, CE (content), CR (type, version,
   processing id) for MSH-15, AA AE AR for MSH-16, and one that is empty means NE.

Where the file has an error the location is that of ERR-2 (segment^sequence^field^repetition^component).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """The codes of MSA-1 in the order of the answers, and the error they state."""

    codes: tuple[str, ...]
    condition: str = "0"
    location: str = ""


AA = Expected(("AA",))
TYPE = Expected(("AR",), "200", "MSH^1^9^1^1")
EVENT = Expected(("AR",), "201", "MSH^1^9^1^2")
PROCESSING = Expected(("AR",), "202", "MSH^1^11^1^1")
# a worklist item needs a modality (PS3.4 Table K.6-1, type 1), which these orders name nowhere (RAD-4: OBR-24)
NO_MODALITY = Expected(("AE",), "101", "OBR^1^24")

EXPECTED = {
    "batch_and_lineends/ORU-multiline-short.hl7": PROCESSING,
    "batch_and_lineends/sample_unix.hl7": Expected(("CE",), "102", "MSH^1^2"),
    "batch_and_lineends/sample_win.hl7": Expected(("CE",), "102", "MSH^1^2"),
    "encoding/msg-01-utf8.hl7": Expected(("CR",), "202", "MSH^1^11^1^1"),
    # RSP^K22: its domains are nobody's here, so no patient fits
    "pdq/PDQ_ID_Query.hl7": AA,
    # RSP^K22, ITI TF-2 3.21.4.2.2.8 case 3: the domain that QPD-8 wants is not known here
    "pdq/PDQ_Maximal_Query.hl7": Expected(("AE",), "204", "QPD^1^8^1"),
    "pdq/PDQ_Response.hl7": TYPE,
    "pix/A01.hl7": AA,
    "pix/A04.hl7": AA,
    "pix/A08.hl7": AA,
    "pix/A10.hl7": EVENT,
    "pix/A40.hl7": AA,
    "pix/adt-a31-1.hl7": AA,
    # its first MRG-1 names no assigning authority, and PID-3 has no identifier of the sender's own
    "pix/iti8-a40.hl7": Expected(("AE",), "204", "MRG^1^1^1"),
    "pix/pixquery_err-1_Response.hl7": TYPE,
    "pix/pixquery_nf-1_Response.hl7": TYPE,
    "pix/pixquery_ok-1_Response.hl7": TYPE,
    "reportstream/valid_hl7.hl7": AA,
    "with_expected_fhir/ADT-A01-01.hl7": AA,
    "with_expected_fhir/ADT-A03-01.hl7": AA,
    "with_expected_fhir/ADT-A04-01.hl7": AA,
    "with_expected_fhir/ADT-A08-01.hl7": AA,
    "with_expected_fhir/ADT-A28-01.hl7": AA,
    "with_expected_fhir/ADT-A31-01.hl7": AA,
    "with_expected_fhir/ADT-A40-01.hl7": Expected(()),                    # MSH-15 NE, MSH-16 NE
    "with_expected_fhir/ADT-A45-01.hl7": EVENT,
    # its old id is of another assigning authority than the new one
    "with_expected_fhir/ADT-A47-01.hl7": Expected(("AE",), "204", "MRG^1^1^1"),
    "with_expected_fhir/ADT01-23.hl7": AA,
    "with_expected_fhir/ADT04-251.hl7": PROCESSING,
    "with_expected_fhir/DFT-P03-01.hl7": TYPE,
    "with_expected_fhir/LAB-ORU-1.hl7": PROCESSING,
    "with_expected_fhir/MDM-T01-01.hl7": EVENT,
    # OBX-2 of the second OBX is ED, and its OBX-5.5, the data, is empty
    "with_expected_fhir/MDM-T02-01.hl7": Expected(("AE",), "101", "OBX^2^5^1^5"),
    "with_expected_fhir/OMG-O19-01.hl7": Expected(("AE",), "101", "ORC^1^2"),          # neither ORC-2 nor ORC-3
    "with_expected_fhir/OML-O21-01.hl7": TYPE,
    "with_expected_fhir/ORM-O01-01.hl7": NO_MODALITY,
    "with_expected_fhir/ORM-O01-02.hl7": NO_MODALITY,
    "with_expected_fhir/ORM-O01-03.hl7": NO_MODALITY,
    "with_expected_fhir/ORU-R01-01.hl7": Expected(("CR",), "202", "MSH^1^11^1^1"),     # MSH-15 AL, MSH-16 NE
    "with_expected_fhir/OUL-R22-01.hl7": TYPE,                                         # MSH-15 NE, MSH-16 AL
    "with_expected_fhir/SIU-S12-01.hl7": Expected(("AE",), "101", "SCH^1^26"),         # of no order
    "with_expected_fhir/VXU-V04-01.hl7": TYPE,
}
