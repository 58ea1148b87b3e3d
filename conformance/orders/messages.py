"""Messages of orders, patients and appointments as IHE RAD TF-2 has them (4.2 to 4.4, 4.12, 4.48)."""

from dataclasses import dataclass, replace

from conformance.orders.site import Site


@dataclass(frozen=True, slots=True)
class Order:
    """An order with one scheduled step."""

    placer: str
    patient: str
    accession: str
    procedure: str
    step: str
    study: str
    name: str = "CONFORMANCE^TEST"
    start: str = "20300102083000"
    modality: str = "CT"
    station: str = "CONFCT"
    at: str = "20300101080000"

    def later(self, minutes: int, **changed: str) -> "Order":
        """The same, said so much later."""
        return replace(self, at=f"20300101{8 + minutes // 60:02d}{minutes % 60:02d}00", **changed)


def order(site: Site, **given: str) -> Order:
    """An order with numbers of its own."""
    number = int(site.run_id, 16) * 10_000 + int(site.number("")[-4:])
    made = Order(site.number("P"), site.number("M"), site.number("A"), site.number("R"), site.number("S"),
                 f"1.2.826.0.1.3680043.9.9998.{number}")  # fmt: skip
    return replace(made, **given)


def imaging(site: Site, control: str, one: Order, *, charset: str = "UNICODE UTF-8", encoding: str = "utf-8") -> bytes:
    """OMI^O23 (RAD-4, RAD-13): ORC, TQ1, OBR, IPC."""
    return _written(site, "OMI^O23^OMI_O23", one, charset, encoding, (
        f"ORC|{control}|{one.placer}^SUITE|{one.placer}F^SUITE||SC||||{one.at}",
        f"TQ1|1||||||{one.start}||R",
        f"OBR|1|{one.placer}^SUITE|{one.placer}F^SUITE|CT1^CT of the chest^L",
        f"IPC|{one.accession}|{one.procedure}|{one.study}|{one.step}|{one.modality}|CTP^Chest protocol^L|||"
        f"{one.station}",
    ))  # fmt: skip


def general(site: Site, control: str, one: Order) -> bytes:
    """ORM^O01 (RAD-2 to RAD-4, RAD-13): ORC, OBR, ZDS."""
    return _written(site, "ORM^O01^ORM_O01", one, "UNICODE UTF-8", "utf-8", (
        f"ORC|{control}|{one.placer}^SUITE|{one.placer}F^SUITE||SC||^^^{one.start}^^R||{one.at}",
        f"OBR|1|{one.placer}^SUITE|{one.placer}F^SUITE|CT1^CT of the chest^L^CTP^Chest protocol^L||||||||||||||"
        f"{one.accession}|{one.procedure}|{one.step}||||{one.modality}",
        f"ZDS|{one.study}^SUITE^Application^DICOM",
    ))  # fmt: skip


def patient(site: Site, event: str, one: Order, *, name: str, prior: str = "") -> bytes:
    """ADT (RAD-12): A08 of a patient, or A40 with MRG."""
    shape = "ADT_A39" if event == "A40" else "ADT_A01"
    more = (f"MRG|{prior}",) if prior else ("PV1|1|O",)
    return _written(site, f"ADT^{event}^{shape}", replace(one, name=name), "UNICODE UTF-8", "utf-8",
                    more, event=f"EVN|{event}|{one.at}")  # fmt: skip


def appointment(site: Site, event: str, one: Order) -> bytes:
    """SIU (RAD-48): SCH with the order's numbers, AIS with the start."""
    sch = ["SCH", site.number("B"), *[""] * 24, f"{one.placer}^SUITE", f"{one.placer}F^SUITE"]
    resources = ("RGS|1", f"AIS|1||CT1^CT of the chest^L|{one.start}")
    return _written(site, f"SIU^{event}^SIU_S12", one, "UNICODE UTF-8", "utf-8", resources, event="|".join(sch))


def _written(
    site: Site, kind: str, one: Order, charset: str, encoding: str, rest: tuple[str, ...], *, event: str = ""
) -> bytes:
    lines = [
        f"MSH|^~\\&|{site.application}|{site.facility}|||{one.at}||{kind}|{site.number('C')}|P|2.5.1||||||{charset}",
        *([event] if event else []),
        f"PID|1||{one.patient}||{one.name}||19800102|F",
        *(["PV1|1|O"] if kind.startswith("O") else []),
        *rest,
    ]
    return "".join(f"{line}\r" for line in lines).encode(encoding)
