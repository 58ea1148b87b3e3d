"""Messages of orders and appointments, by hand."""


def orm(control: str, *, placer: str, only_order: bool = False, **given: str) -> str:
    """ORM^O01 with one order: ORC-2, and what is given by keyword. `only_order`: the group alone, to be added."""
    said = {
        "filler": "", "status": "", "start": "202601020800", "priority": "R", "service": "CT01^CT of something^L",
        "modality": "CT", "at": "20260101120000", "patient": "42", "accession": "", "procedure": "", "step": "",
        "study": "", "provider": "", "referring": "", "technician": "", "reason": "", "transport": "", "visit": "",
        "location": "", "name": "ZHANG^SAN", "charset": "", "control_id": "", **given,
    }  # fmt: skip
    control_id = said["control_id"] or f"{control}{placer}{said['at']}"[:20]
    header = (
        f"MSH|^~\\&|HIS|EAST|PACSD|EAST|{said['at']}||ORM^O01^ORM_O01|{control_id}|P|2.5.1||||||{said['charset']}",
        f"PID|1||{said['patient']}||{said['name']}||19800102|F",
        f"PV1|1|I|{said['location']}|||||{said['referring']}|||||||||||{said['visit']}",
    )
    obr = [""] * 45
    obr[0], obr[1], obr[4], obr[16], obr[18], obr[19] = (
        "OBR", "1", said["service"], said["provider"], said["accession"], said["procedure"],
    )  # fmt: skip
    obr[20], obr[24], obr[30], obr[31], obr[34] = (
        said["step"], said["modality"], said["transport"], said["reason"], said["technician"],
    )  # fmt: skip
    order = (
        f"ORC|{control}|{placer}|{said['filler']}||{said['status']}||^^^{said['start']}^^{said['priority']}",
        "|".join(obr).rstrip("|"),
        *([f"ZDS|{said['study']}^HIS^Application^DICOM"] if said["study"] else []),
    )
    return "".join(f"{line}\r" for line in (*(() if only_order else header), *order))


def omi(control: str, *, placer: str, steps: tuple[str, ...], at: str = "20260101120000") -> str:
    """OMI^O23 with one order of several steps."""
    lines = [
        f"MSH|^~\\&|RIS|EAST|PACSD|EAST|{at}||OMI^O23^OMI_O23|{placer}{at}|P|2.5.1",
        "PID|1||42||ZHANG^SAN||19800102|F",
        "PV1|1|O",
        f"ORC|{control}|{placer}|F-{placer}||SC",
        "TQ1|1||||||20260102093015||A",
        f"OBR|1|{placer}|F-{placer}|MR01^MR of the head^L",
    ]
    lines += [
        f"IPC|A-IPC|RP-IPC|1.2.840.4711^^1.2^ISO|{step}|MR|HEADP^Head protocol^99P|MRROOM|FLOOR 2|MR1" for step in steps
    ]
    return "".join(f"{line}\r" for line in lines)


def siu(event: str, *, filler: str, placer: str = "", start: str = "", at: str = "20260101120000") -> str:
    """SIU with the appointment of an order."""
    sch = [""] * 28
    sch[0], sch[1], sch[2], sch[26], sch[27] = "SCH", "AP1", "AF1", placer, filler
    lines = (
        f"MSH|^~\\&|HIS|EAST|PACSD|EAST|{at}||SIU^{event}^SIU_S12|{event}{filler or placer}{at}|P|2.5.1",
        "|".join(sch).rstrip("|"),
        "PID|1||42||ZHANG^SAN||19800102|F",
        "RGS|1",
        f"AIS|1||CT01^CT of something^L|{start}",
        "AIL|1||RADIOLOGY^R7",
    )
    return "".join(f"{line}\r" for line in lines)
