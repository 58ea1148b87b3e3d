"""The written configuration agrees with the code."""

from pathlib import Path

from config.settings import Settings, load_settings
from config.table import default_file, rows, settings_table

DEFAULT_FILE = Path(__file__).resolve().parents[2] / "config" / "pacsd.toml"


def test_default_file_is_what_the_code_says() -> None:
    assert DEFAULT_FILE.read_text(encoding="utf-8") == default_file(), "write config.table.default_file() there"


def test_default_file_changes_nothing() -> None:
    assert load_settings(DEFAULT_FILE, {}) == Settings()


def test_default_file_is_good_with_every_comment_removed(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in default_file().splitlines()]
    file = tmp_path / "pacsd.toml"
    file.write_text("\n".join(line for line in lines if line.startswith("[") or " = " in line), encoding="utf-8")
    settings = load_settings(file, {})
    assert settings.remote_aes[0].organisation == settings.organisations[0].code == "east"
    assert settings.postgres.parameters()["effective_cache_size"] == "8GB"


def test_every_setting_has_help_in_both_languages() -> None:
    for english, chinese in zip(rows("en"), rows("zh"), strict=True):
        assert english.key == chinese.key
        assert english.help.endswith(".")
        assert chinese.help.endswith("。")


def test_units_stand_in_names() -> None:
    suffixes = {"s": "_s", "bytes": "_bytes", "MiB": "_mb", "days": "_days", "years": "_age"}
    for row in rows("en"):
        assert not row.unit or row.key.endswith(suffixes[row.unit])


def test_table_is_markdown_with_a_row_for_each_setting() -> None:
    for language in ("en", "zh"):
        lines = settings_table(language).splitlines()
        assert len(lines) == 2 + len(list(rows(language)))
        assert all(line.count("|") == 5 for line in lines)
