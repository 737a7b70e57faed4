"""What is written out and read again is the same registry, whatever people have in it."""

import csv
import functools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from devices import registry_words, tables
from devices.cell_text import guard, reader_of
from devices.csv_export import export_folder, export_records
from devices.csv_import import import_folder
from devices.csv_rows import FILES
from devices.registry import HouseholdState, ResidentClass
from devices.registry_draft import read_rows
from devices.registry_words import Language
from devices.registry_workbook import write_workbook

NOW = 1_581_674_400_000
WORDS = st.text(
    st.one_of(
        st.sampled_from("'=+-@,;\"\t张三𠮷é_x0D/ \u3000"),
        st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]),
    ),
    max_size=12,
).filter(lambda text: "\t" not in text)
NAMES = WORDS.filter(lambda text: bool(text.strip()))
DEVICE_IDS = NAMES.map(lambda text: "d" + text.strip()) | NAMES
FLATS = st.sampled_from(["h1", "h2", "h3"])
TIMES = st.integers(0, 2_000).map(lambda day: f"20{10 + day // 365:02}-0{day % 9 + 1}-1{day % 7}")
SPANS = st.tuples(TIMES, TIMES | st.just("")).filter(lambda span: not span[1] or span[0] < span[1])
Tables = dict[str, list[dict[str, Any]]]


@st.composite
def registries(draw: st.DrawFn) -> Tables:
    """Draw files that are right, with histories told in any order."""
    made: Tables = {
        "sites.csv": [
            {"id": "s", "name": draw(NAMES), "community": draw(WORDS), "zone": "Asia/Shanghai"}
        ],
        "gates.csv": [
            {"id": "g", "site": "s", "name": draw(NAMES), "kind": "shop", "entry_limit": 5}
        ],
        "grids.csv": [{"id": "1", "site": "s", "name": draw(NAMES)}],
        "buildings.csv": [{"id": "b:-.@", "grid": "1", "name": draw(NAMES)}],
        "workers.csv": [{"id": "w", "name": draw(NAMES)}],
        "channels.csv": [{"worker": "w", "rank": 2, "url": "mailto://x"}],
        "rota.csv": [
            {
                "worker": "w",
                "role": "guard",
                "site": "s",
                "weekdays": days,
                "begins": "08:00",
                "ends": "24:00",
            }
            for days in draw(st.sets(st.sampled_from(["mon", "sat-mon", "tue fri"]), max_size=3))
        ],
    }
    states = st.sampled_from([*HouseholdState])
    made["households.csv"] = [
        {"id": flat, "building": "b:-.@", "flat": f"{flat}/1", "state": draw(states), **span}
        for flat in ("h1", "h2", "h3")
        for span in draw(_spans())
    ]
    classes = st.sampled_from([*ResidentClass])
    made["residents.csv"] = [
        {
            "id": who,
            "name": name,
            "phone": phone,
            "household": draw(FLATS),
            "class": draw(classes),
            **span,
            **{f"class_{key}": value for key, value in span.items()},
        }
        for who in ("r1", "007")
        for name, phone in [(draw(NAMES), draw(WORDS))]
        for span in draw(_spans())
    ]
    made["vehicles.csv"] = [
        {"plate": "鄂A12345", "household": draw(FLATS), **span} for span in draw(_spans())
    ]
    made["devices.csv"] = [
        {
            "id": name,
            "profile": "p",
            "place": "household",
            "site": "s",
            "household": draw(FLATS),
            **span,
        }
        for name in draw(st.lists(DEVICE_IDS, max_size=2, unique_by=str.strip))
        for span in draw(_spans())
    ]
    return made


def _spans() -> st.SearchStrategy[list[dict[str, str]]]:
    spans = st.lists(SPANS, min_size=1, max_size=4, unique_by=lambda span: span[0])
    return spans.map(lambda told: [{"since": since, "until": until} for since, until in told])


@functools.cache
def _database(_name: str) -> Engine:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    return engine


def _empty(name: str) -> Engine:
    engine = _database(name)
    with engine.begin() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
    return engine


def _write(folder: Path, made: Tables) -> None:
    for name, records in made.items():
        columns = [field.alias or key for key, field in FILES[name].model_fields.items()]
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(
                {key: guard(str(value)) for key, value in row.items()} for row in records
            )


def _said(engine: Engine) -> Mapping[str, Any]:
    """Return the registry's rows, residents by the office's ids and duties without a number."""
    with engine.connect() as connection:
        rows = read_rows(connection)
    who = {key[0]: row["external_id"] for key, row in rows["resident"].items()}
    return {
        table: sorted(
            str(
                {
                    name: who.get(value, value)
                    for name, value in row.items()
                    if (table, name) != ("rota", "id")
                }
            )
            for row in found.values()
        )
        for table, found in rows.items()
    }


def _exports(engine: Engine, folder: Path) -> Iterator[Path]:
    """Write everything there is to a folder and to a workbook, in each language."""
    with engine.connect() as connection:
        for language in Language:
            export_folder(connection, folder / language, language=language)
            yield folder / language
            file = folder / f"{language}.xlsx"
            write_workbook(file, FILES, export_records(connection), language=language)
            yield file


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(made=registries())
def test_what_is_exported_and_imported_is_the_same(made: Tables) -> None:
    """All of it arrives in an empty registry, and changes nothing where it came from."""
    here = _empty("here")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, made)
        import_folder(here, folder, now=NOW)
        said = _said(here)
        for exported in list(_exports(here, folder)):
            assert not import_folder(here, exported, now=NOW + 1)
            there = _empty("there")
            import_folder(there, exported, now=NOW + 2)
            assert _said(there) == said


@given(st.text())
def test_a_guarded_text_is_no_formula_and_reads_as_it_was(text: str) -> None:
    """No spreadsheet computes what was exported, and import takes the guard off again."""
    guarded = guard(text.strip())
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert reader_of("name")(guarded) == text.strip()


@given(st.text())
def test_words_and_times_are_read_without_a_crash(text: str) -> None:
    """Whatever stands in a cell is read as text or refused with a sentence."""
    for column in ("since", "begins", "weekdays", "state"):
        assert isinstance(reader_of(column)(text), str)
    registry_words.table_named(text)
