"""Counters of several processes as one Prometheus text."""

import os
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pacsd.supervise.metrics import Metrics, forget, render


def samples(folder: Path) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(render(folder))
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_processes_add_up(tmp_path: Path) -> None:
    for process in ("dimse-0-1", "dimse-1-2"):
        Metrics(tmp_path / process).counter("pacsd_stored_total", "Objects stored.", outcome="new").add(3)
    assert samples(tmp_path) == {("pacsd_stored_total", (("outcome", "new"),)): 6.0}


def test_text_is_what_prometheus_reads(tmp_path: Path) -> None:
    counted = Metrics(tmp_path / "web-0-1")
    counted.counter("pacsd_requests_total", "Requests.", path='a"b\\c\nd').add()
    counted.gauge("pacsd_associations", "Open associations.").set(4)
    counted.histogram("pacsd_request_seconds", "Durations.", buckets=(0.1, 1), method="GET").observe(0.5)
    families = {family.name: family for family in text_string_to_metric_families(render(tmp_path))}
    assert families["pacsd_requests"].samples[0].labels == {"path": 'a"b\\c\nd'}
    assert families["pacsd_associations"].type == "gauge"
    buckets = [(one.labels.get("le"), one.value) for one in families["pacsd_request_seconds"].samples]
    assert buckets == [("0.1", 0.0), ("1", 1.0), ("+Inf", 1.0), (None, 0.5), (None, 1.0)]


def test_ended_process_keeps_its_counters_and_loses_its_gauges(tmp_path: Path) -> None:
    for process in ("dimse-0-1", "dimse-0-2"):
        counted = Metrics(tmp_path / process)
        counted.counter("pacsd_stored_total", "Objects stored.").add(2)
        counted.gauge("pacsd_associations", "Open associations.").set(1)
        forget(tmp_path / process)
    assert samples(tmp_path) == {("pacsd_stored_total", ()): 4.0}


def test_same_name_and_labels_are_one_sample(tmp_path: Path) -> None:
    counted = Metrics(tmp_path / "a")
    assert counted.counter("a_total", "A.", x="1") is counted.counter("a_total", "A.", x="1")
    assert counted.counter("a_total", "A.", x="1") is not counted.counter("a_total", "A.", x="2")


def test_child_counts_what_its_parent_reads(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        Metrics(tmp_path / "child").counter("a_total", "A.").add(5)
        os._exit(0)
    os.waitpid(child, 0)
    assert samples(tmp_path) == {("a_total", ()): 5.0}


def test_no_room_is_said(tmp_path: Path) -> None:
    counted = Metrics(tmp_path / "a")
    with pytest.raises(ValueError, match="too many metrics"):
        for number in range(100_000):
            counted.counter("a_total", "A.", number=str(number))


def test_folder_that_is_not_there_counts_nothing(tmp_path: Path) -> None:
    assert samples(tmp_path / "none") == {}
