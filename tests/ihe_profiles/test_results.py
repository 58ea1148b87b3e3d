"""ORU^R01 and MDM as reports on real PostgreSQL: what is kept of them, what counts, what is refused."""

import base64
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.settings import Hl7SenderSettings, OrganisationSettings
from ihe_profiles.exchange.services import Exchange
from pacsd.access.scope import Scope
from pacsd.reports.contents import PREFIX, Contents
from pacsd.reports.report import Code, Order, Person, Version
from pacsd.reports.reports import Report, Reports
from tests.archive.house import House, opened
from tests.hl7.results import mdm, oru, study_uid, text
from tests.ihe_profiles.test_exchange import ask, exchange
from tests.synthetic import small_object, study

# whose authorities are those of the house's AEs
TWO = (OrganisationSettings("east"), OrganisationSettings("west"))
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"\n%%EOF\n"


@dataclass
class Ward:
    """A house with its exchange."""

    house: House
    exchange: Exchange

    def ask(self, message: str) -> tuple[str, str, str]:
        return ask(self.exchange, message)

    @property
    def reports(self) -> Reports:
        codes = {key: code for code, key in self.house.keys.items()}
        return Reports(self.house.pool, Contents(self.house.blobs), codes)

    def report(self) -> Report:
        """The only one there is."""
        (row,) = self.reports.listed(self.scope)
        with self.house.pool.connection() as connection:
            (uid,) = connection.execute(
                "select uid from diagnostic_report_version where report = %s limit 1", (row.pk,)
            ).fetchone() or ("",)
        return self.reports.of_version(row.organisation, uid)

    @property
    def scope(self) -> Scope:
        key = self.house.keys["east"]
        return Scope((key,), key)

    def topics(self) -> list[str]:
        with self.house.pool.connection() as connection:
            rows = connection.execute("select topic from event where topic like 'report.%' order by pk").fetchall()
        return [row[0] for row in rows]


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Ward]:
    with opened(database, tmp_path / "blobs") as house:
        yield Ward(house, exchange(house, organisations=TWO))


def said(version: Version) -> list[tuple[str, str]]:
    return [(one.section, one.text) for one in version.content.observations]


def test_a_report_is_kept_with_everything_that_is_said_of_it(ward: Ward) -> None:
    uid = "1.2.840.99.1"
    message = oru(
        "1", study_uid(uid), text("Clear lungs."), text("No effusion.\\.br\\Heart \\T\\ vessels normal."),
        text("Normal.", code="19005-8^Impression^LN"), "NM|8867-4^Heart rate^LN||72.5|/min^per minute^UCUM|60-80|N|||F",
        "CWE|99^Grade^L||27268008^Salmonella^SCT||||||F", "DT|99^Follow up^L||20260301||||||F",
        "SN|99^Size^L||>^5^-^7|mm|||||F", name="\u5f20^\u4e09", verifier="9&\u674e&\u56db^20260101113000",
        author="8&WANG&WU",
    )  # fmt: skip
    assert ward.ask(message) == ("AA", "", "")
    report = ward.report()
    (version,) = report.versions
    content = version.content
    assert said(version) == [
        ("findings", "Clear lungs.\nNo effusion.\nHeart & vessels normal."), ("impression", "Normal."),
        ("findings", "72.5"), ("findings", "Salmonella"), ("findings", "2026-03-01"), ("findings", ">5-7"),
    ]  # fmt: skip
    assert content.observations[2].units == Code("/min", "per minute", "UCUM")
    assert content.observations[3].value == Code("27268008", "Salmonella", "SCT")
    assert content.orders == (Order(uid, "A1", "P1", "F1"),)
    assert content.procedure == Code("71046", "Chest X-ray", "C4")
    assert (content.verifier, content.author) == (Person("\u674e^\u56db", "9"), Person("WANG^WU", "8"))
    assert (content.verified, content.issued) == ("20260101113000", "20260101120000")
    assert (content.patient.name, content.patient.birth_date) == ("\u5f20^\u4e09", "19700101")
    assert report.row.names == ("order F1^RIS",) and report.row.status == "final"
    assert ward.topics() == ["report.final"]


def test_versions_are_kept_and_the_newest_final_one_counts(ward: Ward) -> None:
    for number, (status, time) in enumerate([("P", "10"), ("C", "14"), ("F", "12"), ("R", "15")]):
        message = oru(str(number), text(f"{status}."), status=status, time=f"20260101{time}0000")
        assert ward.ask(message)[0] == "AA"
    report = ward.report()
    assert [version.status.value for version in report.versions] == ["preliminary", "corrected", "final", "preliminary"]
    assert report.counting is not None and report.counting.version.number == report.row.counting == 2
    assert ward.topics() == ["report.preliminary", "report.final"]
    assert ward.ask(oru("9", status="X", time="20260101160000"))[0] == "AA"
    assert ward.report().row.status == "cancelled" and ward.topics()[2:] == ["report.cancelled"]


def test_the_same_message_is_one_version_whenever_it_comes_again(ward: Ward) -> None:
    message = oru("1", text("Once."))
    assert ward.ask(message)[0] == ward.ask(message)[0] == "AA"
    with ward.house.pool.connection() as connection:
        connection.execute("delete from hl7_message")                # as after a rebuild, which does not know the log
    assert ward.ask(message)[0] == "AA"
    assert len(ward.report().versions) == 1 and ward.topics() == ["report.final"]


def test_a_report_is_about_its_study_whichever_comes_first(ward: Ward) -> None:
    one, other = study(901, patient_id="42"), study(902, patient_id="43")
    named = study_uid(one.study_instance_uid)
    assert ward.ask(oru("1", named, text("Known by UID."), filler="F1", accession=""))[0] == "AA"
    assert ward.reports.of_study(ward.scope, one.study_instance_uid) == []
    ward.house.receive(small_object(one))
    ward.house.receive(small_object(other))
    wrong = oru("2", study_uid(other.study_instance_uid), text("Another patient's."), filler="F2", accession="")
    assert ward.ask(wrong)[0] == "AA"
    (report,) = ward.reports.of_study(ward.scope, one.study_instance_uid)
    assert report.row.names == ("order F1^RIS",)
    assert [each.study_instance_uid for each in ward.reports.studies_of(report)] == [one.study_instance_uid]
    assert ward.reports.of_study(ward.scope, other.study_instance_uid) == [], "named by the report of another patient"
    west = Scope((ward.house.keys["west"],), ward.house.keys["west"])
    assert ward.reports.of_study(west, one.study_instance_uid) == []


def test_a_merge_brings_report_and_study_together(ward: Ward) -> None:
    from tests.hl7.peer import adt

    one = study(903, patient_id="TEMP")
    ward.house.receive(small_object(one))
    assert ward.ask(oru("1", study_uid(one.study_instance_uid), text("Of 42."), patient="42"))[0] == "AA"
    assert ward.reports.of_study(ward.scope, one.study_instance_uid) == []
    assert ward.ask(adt("A40", "2", "42", more="MRG|TEMP"))[0] == "AA"
    assert len(ward.reports.of_study(ward.scope, one.study_instance_uid)) == 1


@pytest.mark.parametrize("encoding", ["Base64", "Hex"])
def test_an_encapsulated_pdf_is_kept_byte_for_byte(ward: Ward, encoding: str) -> None:
    data = base64.b64encode(PDF).decode() if encoding == "Base64" else PDF.hex()
    broken = "\\.br\\".join(data[at : at + 76] for at in range(0, len(data), 76))
    for number, value in enumerate((data, broken)):
        line = f"ED|PDF^Report||^application^pdf^{encoding}^{value}||||||F"
        assert ward.ask(oru(str(number), line, filler=f"F{number}"))[0] == "AA"
    keys = [info.key for info in ward.house.blobs.list(PREFIX)]
    assert len(keys) == 2 and all(ward.house.blobs.read(key) == PDF for key in keys)


def test_critical_findings_are_told_once(ward: Ward) -> None:
    assert ward.ask(oru("1", text("Pneumothorax.", flags="AA"), status="P"))[0] == "AA"
    assert ward.ask(oru("2", text("Pneumothorax.", flags="RID49480^Category 1^RADLEX")))[0] == "AA"
    assert ward.topics() == ["report.preliminary", "report.critical", "report.final"]
    assert ward.report().row.critical


def test_orders_without_observations_are_answered_by_the_first_report(ward: Ward) -> None:
    message = oru("1", text("Both."))
    message += "OBR|2|P2|F2|74150^CT^C4||||||||||||||A2|||||||F\rOBR|3|P3|F3|1^X^L||||||||||||||A3|||||||S\r"
    assert ward.ask(message)[0] == "AA"
    assert ward.report().row.accessions == ("A1", "A2")


def test_documents_become_reports_with_addenda_replacements_and_cancellations(ward: Ward) -> None:
    assert ward.ask(mdm("T06", "1", text("Added."), number="D2", parent="D1", time="20260101130000"))[0] == "AA"
    assert ward.ask(mdm("T02", "2", text("First."), author="7^WANG^WU", signer="9^LI^SI"))[0] == "AA"
    report = ward.report()
    assert report.counting is not None and report.row.status == "corrected"
    assert [(one.section, one.text) for one in report.counting.content.observations] == [
        ("findings", "First."), ("addendum", "Added."),
    ]  # fmt: skip
    assert report.versions[1].content.author == Person("WANG^WU", "7")
    assert report.versions[1].content.verifier == Person("LI^SI", "9")
    assert ward.ask(mdm("T10", "3", text("Anew."), number="D3", parent="D1", time="20260101140000"))[0] == "AA"
    assert ward.ask(mdm("T04", "4", text("Signed."), number="D3", time="20260101150000"))[0] == "AA"
    report = ward.report()
    assert report.row.names == ("document D1", "document D3") and report.row.counting == 4
    assert ward.ask(mdm("T11", "5", number="D3", time="20260101160000"))[0] == "AA"
    assert ward.report().row.status == "cancelled"
    assert ward.topics() == ["report.final", "report.amended", "report.amended", "report.amended", "report.cancelled"]


def test_a_senders_own_places_and_codes_are_mapped(ward: Ward, tmp_path: Path) -> None:
    mapping = tmp_path / "ris.toml"
    mapping.write_text("""
[[fields]]
name = "report_id"
path = "ZRP-1.1"
[[fields]]
name = "report_verifier"
path = "ZRP-2.1"
[[codes]]
name = "report_section"
sent = "YXZD"
meant = "impression"
[[codes]]
name = "report_status"
sent = "2"
meant = "F"
[[codes]]
name = "abnormal_flag"
sent = "WJZ"
meant = "AA"
""")
    senders = (Hl7SenderSettings("ris", "RIS", "east", mapping=mapping),)
    one = exchange(ward.house, hl7_senders=senders, organisations=TWO)
    message = oru("1", text("\u6b63\u5e38", code="YXZD^\u8bca\u65ad", flags="WJZ"), status="2")
    assert ask(one, message + "ZRP|BG-1|\u738b\u4e94\r")[0] == "AA"
    report = ward.report()
    (version,) = report.versions
    assert report.row.names == ("report BG-1",) and report.row.critical
    assert said(version) == [("impression", "\u6b63\u5e38")] and version.content.verifier == Person("\u738b\u4e94")
    assert ask(one, message)[1:] == ("101", "ZRP^1^1^^1")


NO_PDF = base64.b64encode(b"<html>").decode()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (oru("1", text("x")).replace("PID|", "ZID|"), ("AE", "100", "PID^1")),
        (oru("1", text("x"), patient=""), ("AE", "101", "PID^1^3")),
        (oru("1", text("x"), patient="7^^^WEST"), ("AE", "204", "PID^1^3")),
        (oru("1", text("x")).replace("OBR|", "ZBR|"), ("AE", "100", "OBR^1")),
        (oru("1"), ("AE", "100", "OBX^1")),
        (oru("1", study_uid("1.2.3")), ("AE", "101", "OBX^1^5")),
        (oru("1", text("x"), status=""), ("AA", "", "")),
        (oru("1", text("x", status=""), status=""), ("AE", "101", "OBR^1^25")),
        (oru("1", text("x"), status="Z"), ("AE", "103", "OBR^1^25")),
        (oru("1", text("x"), accession="", filler="", placer=""), ("AE", "101", "OBR^1^18")),
        (oru("1", text("x"), time="yesterday"), ("AE", "102", "OBR^1^22")),
        (oru("1", text("x"), study_uid("chest")), ("AE", "102", "OBX^2^5")),
        (oru("1", "NM|1^a||12,5||||||F"), ("AE", "102", "OBX^1^5^1")),
        (oru("1", "SN|1^a||>^x||||||F"), ("AE", "102", "OBX^1^5^1")),
        (oru("1", "DT|1^a||20261301||||||F"), ("AE", "102", "OBX^1^5^1")),
        (oru("1", "TM|1^a||2561||||||F"), ("AE", "102", "OBX^1^5^1")),
        (oru("1", "NA|1^a||1^2||||||F"), ("AE", "103", "OBX^1^2")),
        (oru("1", "|1^a||text||||||F"), ("AE", "101", "OBX^1^2")),
        (oru("1", text("\\C2842\\x")), ("AE", "102", "OBX^1^5^1")),
        (oru("1", "ED|1^a||^application^rtf^Base64^e1xy||||||F"), ("AE", "103", "OBX^1^5^1^3")),
        (oru("1", "ED|1^a||^application^pdf^UU^e1xy||||||F"), ("AE", "103", "OBX^1^5^1^4")),
        (oru("1", "ED|1^a||^application^pdf^Base64^||||||F"), ("AE", "101", "OBX^1^5^1^5")),
        (oru("1", f"ED|1^a||^application^pdf^Base64^{NO_PDF}||||||F"), ("AE", "102", "OBX^1^5^1^5")),
        (oru("1", "ED|1^a||^application^pdf^Base64^JVBERi0x!||||||F"), ("AE", "102", "OBX^1^5^1^5")),
        (oru("1", "ED|1^a||^application^pdf^Base64^JVBERi0xL\u4e00||||||F"), ("AE", "102", "OBX^1^5^1^5")),
        (oru("1", text("x" * 4_200_000)), ("AE", "104", "OBR^1^3")),
        (oru("1", text("x")) + "OBR|2|P|F|1^X^L\r" * 1000, ("AE", "104", "OBR^1001")),
        (oru("1", *[text("x")] * 10_001), ("AE", "104", "OBX^10001^1")),
        (oru("1", status="X"), ("AE", "204", "OBR^1^3")),
        (oru("1", text("x"), status="S"), ("AA", "", "")),
        (mdm("T02", "1", text("x"), number=""), ("AE", "101", "TXA^1^12")),
        (mdm("T10", "1", text("x")), ("AE", "101", "TXA^1^13")),
        (mdm("T02", "1", text("x"), completion=""), ("AE", "101", "TXA^1^17")),
        (mdm("T02", "1", text("x"), completion="ZZ"), ("AE", "103", "TXA^1^17")),
        (mdm("T02", "1", text("x"), availability="ZZ"), ("AE", "103", "TXA^1^19")),
        (mdm("T02", "1", text("x"), accession=""), ("AE", "101", "TXA^1^15")),
        (mdm("T02", "1"), ("AE", "101", "OBX^1")),
        (mdm("T11", "1"), ("AE", "204", "TXA^1^12")),
        (mdm("T02", "1", text("x")).replace("TXA|", "ZXA|"), ("AE", "100", "TXA^1")),
        (mdm("T01", "1"), ("AR", "201", "MSH^1^9^1^2")),
        (oru("1", text("x")).replace("ORU^R01", "ORU^R30"), ("AR", "201", "MSH^1^9^1^2")),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_place(
    ward: Ward, message: str, expected: tuple[str, str, str]
) -> None:
    assert ward.ask(message) == expected
    if expected[0] != "AA":
        assert ward.reports.listed(ward.scope) == [] and list(ward.house.journal.replay()) == []


def test_values_of_many_parts_take_no_longer_than_their_length(ward: Ward) -> None:
    parts = 100_000
    lines = [f"CWE|1^a|{n}|{'a~' * parts}|||{'A~' * parts}|||F" for n in range(2)]
    lines += [f"TX|1^a||{'line~' * parts}||||||F", f"XCN|1^b||{'c^' * parts}||||||F"]
    assert ward.ask(oru("1", *lines)) == ("AA", "", "")
    notes = "NTE|1||a\r" * 20_000
    orders = "OBR|2|P2|F2|1^X^L||||||||||||||A2|||||||F\r" * 900
    assert ward.ask(oru("2", text("x"), filler="F2").replace("OBR|", f"{notes}OBR|") + orders) == ("AA", "", "")


def test_many_at_once_add_to_one_report_one_after_the_other(ward: Ward) -> None:
    assert ward.ask(mdm("T02", "0", text("First."), number="D1", time="20260101100000"))[0] == "AA"
    assert ward.ask(mdm("T10", "1", text("Second."), number="D2", parent="D1", time="20260101100100"))[0] == "AA"
    answers: list[str] = []

    def send(number: str) -> None:
        """Under either of its names."""
        for n in range(5):
            message = mdm("T04", f"{number}-{n}", text(f"{number} {n}"), number=number, time=f"2026010111{n:02d}00")
            answers.append(ward.ask(message)[0])

    threads = [threading.Thread(target=send, args=(number,)) for number in ("D1", "D2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = ward.report()
    assert answers == ["AA"] * 10
    assert [version.number for version in report.versions] == list(range(1, 13))
    assert report.counting is not None and report.row.counting == report.counting.version.number


def test_a_trial_says_what_would_be_kept_and_keeps_nothing(ward: Ward) -> None:
    line = f"ED|PDF^Report||^application^pdf^Base64^{base64.b64encode(PDF).decode()}||||||F"
    tried = ward.exchange.attempt(oru("1", text("x" * 100_000), line).encode())
    assert tried.error is None
    assert tried.effects == ["keeps version 1 of report order F1^RIS, final", "report.final"]
    assert list(ward.house.blobs.list(PREFIX)) == [] and ward.reports.listed(ward.scope) == []
    waiting = ward.exchange.attempt(oru("1", text("x"), status="I").encode())
    assert waiting.effects == ["no report yet: OBR-25 is I"]
