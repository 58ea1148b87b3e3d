"""Result messages of a test's own making."""


def oru(
    control_id: str, *lines: str, patient: str = "42", status: str = "F", accession: str = "A1", filler: str = "F1",
    placer: str = "P1", time: str = "20260101120000", **fields: str,
) -> str:  # fmt: skip
    """An ORU^R01 message with one order: its OBX `lines` from OBX-2 on, and MSH fields by keyword."""
    header = (
        f"MSH|^~\\&|{fields.get('application', 'RIS')}|EAST|PACSD|EAST|{fields.get('sent', '20260101120000')}||"
        f"ORU^R01^ORU_R01|{control_id}|P|{fields.get('version', '2.5.1')}||||||{fields.get('charset', '')}"
    )
    person = f"PID|1||{patient}||{fields.get('name', '')}||19700101|F"
    order = (
        f"OBR|1|{placer}|{filler}|71046^Chest X-ray^C4|||20260101110000|||||||||||{accession}||||{time}|||{status}"
        f"|||||||{fields.get('verifier', '')}|{fields.get('author', '')}"
    )
    numbered = [f"OBX|{number}|{line}" for number, line in enumerate(lines, 1)]
    return "".join(f"{line}\r" for line in (header, person, order, *numbered))


def text(words: str, *, code: str = "59776-5^Procedure findings^LN", flags: str = "", status: str = "F") -> str:
    """An OBX of text, from OBX-2 on."""
    return f"TX|{code}||{words}|||{flags}|||{status}"


def study_uid(uid: str) -> str:
    """The OBX that names the study."""
    return f"ST|113014^DICOM Study^DCM||{uid}||||||O"


def mdm(
    event: str, control_id: str, *lines: str, number: str = "D1", parent: str = "", patient: str = "42",
    completion: str = "AU", availability: str = "", accession: str = "A1", time: str = "20260101120000", **fields: str,
) -> str:  # fmt: skip
    """An MDM message of one document."""
    header = (
        f"MSH|^~\\&|RIS|EAST|PACSD|EAST|20260101120000||MDM^{event}^MDM_T02|{control_id}|P|2.5.1||||||"
        f"{fields.get('charset', '')}"
    )
    document = (
        f"TXA|1|DI|TX|||{time}|||{fields.get('author', '')}|||{number}|{parent}||||{completion}||{availability}|||"
        f"{fields.get('signer', '')}"
    )
    order = f"OBR|1|||71046^Chest X-ray^C4||||||||||||||{accession}"
    numbered = [f"OBX|{n}|{line}" for n, line in enumerate(lines, 1)]
    head = (header, f"EVN|{event}|20260101120000", f"PID|1||{patient}||ZHANG^SAN", "PV1|1|O", order)
    return "".join(f"{line}\r" for line in (*head, document, *numbered))
