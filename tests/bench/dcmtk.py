"""DCMTK's clients, timed by the wall clock around the whole process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from tests.bench.peers import MOVE_DESTINATION, NODELAY, Server

STUDY_ROOT_FIND = UID(StudyRootQueryRetrieveInformationModelFind)


def timed(*commands: Sequence[str], nodelay: bool = True, timeout_s: float = 600) -> float:
    """Seconds until all commands, started together, have ended. Raises RuntimeError when one failed."""
    env = {**os.environ, **(NODELAY if nodelay else {"TCP_NODELAY": "0"})}
    began = time.perf_counter()
    running = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for command in commands
    ]
    answers = [process.communicate(timeout=timeout_s)[0] for process in running]
    elapsed = time.perf_counter() - began
    for command, process, answer in zip(commands, running, answers, strict=True):
        if process.returncode:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {answer.decode()[-400:]}")
    return elapsed


def storescu(server: Server, folder: Path) -> list[str]:
    """Send a folder over one association."""
    return [
        "storescu",
        "-aet",
        "BENCH",
        "-aec",
        server.ae_title,
        "+sd",
        "127.0.0.1",
        str(server.dicom_port),
        str(folder),
    ]


def findscu(server: Server, queries: Sequence[Path]) -> list[str]:
    """Ask a list of queries one after the other over one association, Study Root."""
    return [
        "findscu",
        "-S",
        "-aet",
        "BENCH",
        "-aec",
        server.ae_title,
        "127.0.0.1",
        str(server.dicom_port),
        *map(str, queries),
    ]


def getscu(server: Server, study_instance_uid: str) -> list[str]:
    """Fetch a study and throw it away."""
    return [
        "getscu",
        "-S",
        "-aet",
        "BENCH",
        "-aec",
        server.ae_title,
        "--ignore",
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        f"StudyInstanceUID={study_instance_uid}",
        "127.0.0.1",
        str(server.dicom_port),
    ]


def movescu(server: Server, study_instance_uid: str) -> list[str]:
    """Have a study sent to the destination of the benchmark."""
    return [
        "movescu",
        "-S",
        "-aet",
        "BENCH",
        "-aec",
        server.ae_title,
        "-aem",
        MOVE_DESTINATION,
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        f"StudyInstanceUID={study_instance_uid}",
        "127.0.0.1",
        str(server.dicom_port),
    ]


def write_query(path: Path, **keys: str) -> Path:
    """A query identifier as a file for findscu: STUDY level, the usual return keys, and `keys`."""
    dataset = Dataset()
    for keyword in (
        "PatientID",
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyID",
        "StudyDescription",
        "ReferringPhysicianName",
    ):
        setattr(dataset, keyword, keys.get(keyword, ""))
    dataset.QueryRetrieveLevel = "STUDY"
    meta = FileMetaDataset()  # it alone says what the file is: in the query a UID would be a key, which matches nothing
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = STUDY_ROOT_FIND, UID("1.2.3")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    dcmwrite(path, dataset, enforce_file_format=True)
    return path
