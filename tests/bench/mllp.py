"""MLLP load: connections that each send one message after the other and wait for its acknowledgement."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator, Sequence

ADT = (
    "MSH|^~\\&|HIS|EAST|PACSD|EAST|20260101120000||ADT^{event}^ADT_A01|{number}|P|2.5.1||||||UNICODE UTF-8\r"
    "EVN|{event}|20260101120000|||LI^SI^^^^^^^EAST\r"
    "PID|1||{patient}^^^{authority}^MR||张^{patient}^^^^^L||19{year:02d}0101|{sex}|||杭州市西湖区某路{number}号^^杭州^浙江^310000^CN^H||"
    "13800000000^PRN^CP||zh|M|||330106{number:012d}|||||||||||N\r"
    "NK1|1|李^四|SPO^Spouse^HL70063|杭州市西湖区某路^^杭州^浙江^310000^CN|13900000000\r"
    "PV1|1|O|RAD^1^1^EAST||||0010^王^医生|0020^赵^医生||RAD|||||||0010^王^医生|O|V{number}|||||||||||||||||||||||||20260101120000\r"
)


def adt(numbers: Iterator[int], *, event: str, patients: int) -> Iterator[bytes]:
    """Messages about that many patients in turn."""
    for number in numbers:
        patient = number % patients
        named = {"patient": f"P{patient:07d}", "authority": "EAST", "year": number % 90, "sex": "MF"[number % 2]}
        yield ADT.format(event=event, number=number, **named).encode()


ORU = (
    "MSH|^~\\&|RIS|EAST|PACSD|EAST|20260101120000||ORU^R01^ORU_R01|{number}|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|1||P{number:07d}^^^EAST^MR||张^{number}^^^^^L||19700101|M\r"
    "ORC|RE|P{number}|F{number}\r"
    "OBR|1|P{number}|F{number}|71260^胸部CT增强^L|||20260101110000|||||||||||A{number:09d}||||20260101120000|||F"
    "|||||||9&李&四^20260101120000|8&王&五\r"
    "OBX|1|ST|113014^DICOM Study^DCM||1.2.840.99.1.{number}||||||O\r"
    "OBX|2|TX|59776-5^Procedure findings^LN||双肺纹理清晰，右肺上叶见一结节影，大小约{number}mm，边缘光滑。||||||F\r"
    "OBX|3|TX|59776-5^Procedure findings^LN||纵隔居中，未见肿大淋巴结。心影大小形态正常。双侧胸腔未见积液。||||||F\r"
    "OBX|4|TX|19005-8^Impression^LN||右肺上叶结节，建议三个月后复查。||||||F\r"
)


def oru(numbers: Iterator[int]) -> Iterator[bytes]:
    """Final reports, each of another order."""
    for number in numbers:
        yield ORU.format(number=number).encode()


def acknowledged_per_second(port: int, messages: Sequence[bytes], *, connections: int) -> float:
    """Messages a second, each acknowledged with AA before its connection sends the next. Raises RuntimeError."""
    turn = itertools.count()
    failures: list[str] = []
    ready = threading.Barrier(connections + 1)
    sockets = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(connections)]

    def run(one: socket.socket) -> None:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready.wait()
        while (n := next(turn)) < len(messages) and not failures:
            one.sendall(b"\x0b" + messages[n] + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += one.recv(65536)
            if b"\rMSA|AA|" not in answer:
                failures.append(answer.decode(errors="replace"))

    threads = [threading.Thread(target=run, args=(one,)) for one in sockets]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    for one in sockets:
        one.close()
    if failures:
        raise RuntimeError(f"not accepted: {failures[0]}")
    return len(messages) / seconds
