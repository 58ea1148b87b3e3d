"""How busy the machine is."""

from pathlib import Path

from pacsd.supervise.processors import Processors


def test_processors_are_short_when_hardly_any_time_was_idle(tmp_path: Path) -> None:
    stat, now = tmp_path / "stat", [100.0]
    processors = Processors(stat, lambda: now[0])
    assert not processors.short()                    # the kernel does not tell
    told = [(0, 0), (100, 10), (110, 100), (110, 100)]
    heard = []
    for busy, idle in told:
        stat.write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3\n")
        now[0] += 1
        heard.append(processors.short())
    assert heard == [False, True, False, False]
    stat.write_text("nonsense\n")
    now[0] += 1
    assert not processors.short()
