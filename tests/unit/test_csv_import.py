"""The CSV import: all or nothing, every reason by line, histories kept."""

import codecs
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, Table, create_engine, select

from devices import tables
from devices.clock import parse_rfc3339
from devices.csv_export import export_folder
from devices.csv_import import ImportRefused, import_folder, plan, read_files
from devices.csv_rows import FILES
from devices.import_words import told
from devices.registry import GateKind, HouseholdState, OnCall, PlaceKind, ResidentClass, Role
from devices.registry_store import RegistryCache, load, version
from devices.registry_words import Language

SAMPLE = Path(__file__).parents[2] / "devices" / "sample_community"
NOW = parse_rfc3339("2020-02-14T18:00:00+08:00")
JANUARY = parse_rfc3339("2020-01-10T12:00:00+08:00")
HEADERS = {
    "gates.csv": "id,site,name,kind,rank,entry_limit",
    "trips.csv": "resident,since,until,reason",
    "vehicles.csv": "plate,household,since,until",
    "households.csv": "id,building,flat,state,since,until",
    "residents.csv": "id,household,name,since,class",
    "devices.csv": "id,profile,place,site,household,gate,worker,since",
    "rota.csv": "worker,role,site,weekdays,begins,ends",
    "channels.csv": "worker,rank,url",
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/state.db")
    tables.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def community(engine: Engine) -> Engine:
    import_folder(engine, SAMPLE, now=NOW)
    return engine


def folder_with(tmp_path: Path, name: str, *lines: str) -> Path:
    folder = tmp_path / "more"
    folder.mkdir(exist_ok=True)
    text = "\n".join([HEADERS[name], *lines])
    (folder / name).write_text(text + "\n", encoding="utf-8")
    return folder


def test_sample_community_is_imported(community: Engine) -> None:
    """Every file of the sample ends up in the snapshot that rules look things up in."""
    registry = load(community)
    sun = registry.subject_of("r-001")
    assert sun is not None
    assert registry.sole_resident("h-1-101") == sun
    assert registry.sole_resident("h-1-102") is None
    place = registry.place("a0:e6:f8:50:72:53", NOW)
    assert place is not None
    assert (place.kind, place.site, place.grid) == (PlaceKind.HOUSEHOLD, "lakeside", "lakeside-1")
    assert (place.building, place.household) == ("b1", "h-1-101")
    gate = registry.place("1026700", NOW)
    assert gate is not None
    assert gate.gate == "north-gate"
    assert registry.household_state("h-1-201", NOW) is HouseholdState.EMPTY
    assert registry.zone("lakeside").key == "Asia/Shanghai"
    assert registry.channels("secretary") == ("demo://phone",)
    assert registry.rota[0] == OnCall(
        "guard-1", Role.GUARD, "lakeside", None, frozenset(range(7)), 18 * 60, 6 * 60
    )


def test_facts_are_looked_up_as_of_a_time(community: Engine) -> None:
    """A household that went away in January was occupied before, and a class has an end."""
    registry = load(community)
    assert registry.household_state("h-2-102", JANUARY) is HouseholdState.OCCUPIED
    assert registry.household_state("h-2-102", NOW) is HouseholdState.AWAY
    isolated = registry.subject_of("r-002")
    assert isolated is not None
    later = parse_rfc3339("2020-02-15T00:00:00+08:00")
    assert registry.resident_class(isolated, later - 1) is ResidentClass.HOME_ISOLATION
    assert registry.resident_class(isolated, later) is ResidentClass.NONE


def test_gates_are_found_in_their_order_on_the_way_in(community: Engine, tmp_path: Path) -> None:
    """Three checkpoints in a row have ranks; a shop has a limit and is none of them."""
    rows = ("third,lakeside,Third,checkpoint,3,", "first,lakeside,First,checkpoint,,")
    import_folder(community, folder_with(tmp_path, "gates.csv", *rows), now=NOW)
    registry = load(community)
    ids = [gate.id for gate in registry.checkpoints_of("lakeside")]
    assert ids == ["first", "night-checkpoint", "third"]
    grocer = registry.gate("lakeside", "grocer")
    assert grocer is not None
    assert (grocer.kind, grocer.entry_limit) == (GateKind.SHOP, 15)
    assert registry.gate("elsewhere", "grocer") is None


def test_a_trip_is_approved_from_a_time_until_a_time(community: Engine) -> None:
    """Who is out on an approved trip is found by the time, and until when."""
    registry = load(community)
    subject = registry.subject_of("r-002")
    assert subject is not None
    begins, ends = (parse_rfc3339(f"2020-02-12T{hour}:00:00+08:00") for hour in ("09", "13"))
    assert registry.trip(subject, begins) == (begins, ends)
    assert registry.trip(subject, begins - 1) is None
    assert registry.trip(subject, ends) is None


def test_a_vehicle_is_of_whoever_had_it_then(community: Engine, tmp_path: Path) -> None:
    """A plate is one however it is written; sold, it stays with the earlier household till then."""
    folder = folder_with(tmp_path, "vehicles.csv", "鄂a·123 45,h-2-101,2020-02-01,")
    import_folder(community, folder, now=NOW)
    registry = load(community)
    assert registry.household_of_vehicle("鄂A-12345", JANUARY) == "h-1-102"
    assert registry.household_of_vehicle("鄂A12345", NOW) == "h-2-101"
    assert registry.household_of_vehicle("鄂A12346", NOW) is None


def test_a_renamed_device_is_found_under_its_former_ids(community: Engine, tmp_path: Path) -> None:
    """However often it was renamed; a device cannot have had an id that is not registered."""
    header = "id,profile,place,site,renamed_from\n"
    file = tmp_path / "devices.csv"
    rows = "c,p,site,lakeside,b\nb,p,site,lakeside,a\na,p,site,lakeside,\n"
    file.write_text(header + rows)
    import_folder(community, tmp_path, now=NOW)
    assert load(community).former_ids("c") == ["b", "a"]
    file.write_text(header + "d,p,site,lakeside,x\n")
    with pytest.raises(ImportRefused, match="column renamed_from: there is no device 'x'"):
        import_folder(community, tmp_path, now=NOW)


def test_importing_again_changes_nothing(community: Engine) -> None:
    """The same files a second time are no change, keep the subjects and bump no version."""
    before = load(community)
    difference = import_folder(community, SAMPLE, now=NOW + 1)
    assert not difference
    assert version(community) == before.version
    assert load(community).subject_of("r-001") == before.subject_of("r-001")


def test_dry_run_touches_nothing(engine: Engine) -> None:
    """A plan counts what would change and the database stays empty."""
    with engine.connect() as connection:
        difference = plan(connection, read_files(SAMPLE), now=NOW)
    assert difference.counts()["added"] > 40
    with engine.connect() as connection:
        assert connection.execute(select(tables.site)).all() == []


def test_changed_state_closes_the_old_one(community: Engine, tmp_path: Path) -> None:
    """A flat that was empty and is lived in from a day on was still empty the day before."""
    moved_in = parse_rfc3339("2020-02-14T00:00:00+08:00")
    folder = folder_with(tmp_path, "households.csv", "h-1-201,b1,1-201,occupied,2020-02-14,")
    difference = import_folder(community, folder, now=NOW)
    assert sorted(difference.lines()) == [
        "+ household_state h-1-201 2020-02-13T16:00:00Z: state occupied",
        "~ household_state h-1-201 2019-12-31T16:00:00Z: until None → 2020-02-13T16:00:00Z",
    ]
    registry = load(community)
    assert registry.household_state("h-1-201", moved_in - 1) is HouseholdState.EMPTY
    assert registry.household_state("h-1-201", moved_in) is HouseholdState.OCCUPIED


def test_moved_resident_is_found_in_both_homes(community: Engine, tmp_path: Path) -> None:
    """After a move the earlier readings still belong to the earlier home."""
    folder = folder_with(tmp_path, "residents.csv", "r-001,h-1-201,孙梅 Sun Mei,2020-02-10,")
    import_folder(community, folder, now=NOW)
    registry = load(community)
    sun = registry.subject_of("r-001")
    assert sun is not None
    assert registry.household_of(sun) == "h-1-201"
    assert registry.household_of(sun, JANUARY) == "h-1-101"
    assert registry.sole_resident("h-1-101") is None
    assert registry.sole_resident("h-1-101", JANUARY) == sun


def test_difference_shows_no_names(engine: Engine) -> None:
    """What a dry run prints may be pasted into a ticket: no name, phone or channel address."""
    with engine.connect() as connection:
        text = "\n".join(plan(connection, read_files(SAMPLE), now=NOW).lines())
    assert "resident r-001" in text
    assert "vehicle 2019-12-31T16:00:00Z: household h-1-102" in text
    for secret in ("Sun Mei", "10000000001", "demo://phone", "Zhou Min", "A12345", "Dialysis"):
        assert secret not in text


def test_rota_and_channels_are_replaced(community: Engine, tmp_path: Path) -> None:
    """The files say who is on duty and how to reach them; what they leave out is gone."""
    folder_with(tmp_path, "channels.csv", "secretary,1,ntfy://example.org/one")
    folder = folder_with(tmp_path, "rota.csv", "secretary,secretary,lakeside,sat-mon,08:00,24:00")
    difference = import_folder(community, folder, now=NOW)
    assert difference.counts() == {"added": 1, "changed": 1, "removed": 6}
    registry = load(community)
    assert [(duty.weekdays, duty.ends) for duty in registry.rota] == [(frozenset({5, 6, 0}), 1440)]
    assert registry.channels("secretary") == ("ntfy://example.org/one",)
    assert registry.channels("command") == ("demo://phone",)


@pytest.mark.parametrize(
    ("name", "line", "column", "reason"),
    [
        ("households.csv", "h-9,b9,9-1,empty,,", "building", "there is no building 'b9'"),
        ("households.csv", "h-9,b1,9-1,vacant,,", "state", "must be 'occupied', 'empty'"),
        ("households.csv", "h-9,b1,9-1,empty,yesterday,", "since", "is no time; write 2020-02-14"),
        ("households.csv", "h-9,b1,9-1,empty,2020-02-02,2020-02-01", "until", "later than since"),
        ("households.csv", "h-9,b1,9-1", "", "3 cells under 6 columns"),
        ("households.csv", '"h-9,b1', "", "unexpected end of data"),
        ("residents.csv", "r-9,h-1-101,,,", "name", "must be given"),
        ("residents.csv", "r-9,h-1-101,Li,,ill", "class", "must be 'none', 'fever'"),
        ("devices.csv", "d,p,household,lakeside,,,,", "", "household must be given"),
        ("devices.csv", "d,p,gate,lakeside,,g,w,", "", "worker must be blank"),
        ("devices.csv", "d,p,gate,lakeside,,g,,", "gate", "there is no gate 'g' at 'lakeside'"),
        ("gates.csv", "g,lakeside,G,door,1,", "kind", "must be 'gate', "),
        ("gates.csv", "g,lakeside,G,gate,1,20", "", "entry_limit must be blank when kind is gate"),
        ("gates.csv", "g,lakeside,G,shop,0,20", "rank", "must be 1 or more"),
        ("trips.csv", "r-9,2020-02-12,2020-02-13,car", "resident", "there is no resident 'r-9'"),
        ("trips.csv", "r-001,2020-02-12,,car", "until", "must be given"),
        ("vehicles.csv", "B-1,h-9,,", "household", "there is no household 'h-9'"),
        ("vehicles.csv", "?!,h-1-101,,", "plate", "is no number plate"),
        ("rota.csv", "secretary,secretary,lakeside,someday,08:00,09:00", "weekdays", "no weekday"),
        ("rota.csv", "secretary,secretary,lakeside,mon,8 am,09:00", "begins", "write HH:MM"),
        ("channels.csv", "nobody,1,demo://phone", "worker", "there is no worker 'nobody'"),
        ("channels.csv", "secretary,1,phone", "url", "write it like ntfy://"),
    ],
)
def test_wrong_row_is_refused_by_line_and_reason(
    community: Engine, tmp_path: Path, name: str, line: str, column: str, reason: str
) -> None:
    """One wrong row names its file, line, column and reason, and nothing is imported."""
    before = version(community)
    folder = folder_with(tmp_path, "households.csv", "h-8,b1,8-1,empty,,")
    if name == "households.csv":
        folder_with(tmp_path, name, "h-8,b1,8-1,empty,,", line)
    else:
        folder_with(tmp_path, name, "", line)
    with pytest.raises(ImportRefused) as refusal:
        import_folder(community, folder, now=NOW)
    [problem] = refusal.value.problems
    assert (problem.file, problem.line, problem.column) == (name, 3, column)
    assert reason in problem.reason
    assert told(problem.reason, Language.CHINESE) != problem.reason
    assert version(community) == before
    assert load(community).household_place("h-8") is None


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"id,site\nx,y\n", 1, "missing column"),
        (b"id,site,name,colour\n", 1, "unknown column"),
        (b"id,site,name\ng,lakeside,\xb0\xff\n", 2, "neither UTF-8 nor GB 18030"),
        (b"", 1, "missing column"),
    ],
)
def test_wrong_file_is_refused(
    community: Engine, tmp_path: Path, content: bytes, line: int, reason: str
) -> None:
    """A file that is no such table says so on the line where it shows."""
    (tmp_path / "grids.csv").write_bytes(content)
    with pytest.raises(ImportRefused) as refusal:
        import_folder(community, tmp_path, now=NOW)
    problem = refusal.value.problems[0]
    assert (problem.file, problem.line) == ("grids.csv", line)
    assert reason in problem.reason
    assert told(problem.reason, Language.CHINESE) != problem.reason


def test_a_name_is_one_line(community: Engine, tmp_path: Path) -> None:
    """What would end a page's title, or no database takes, is refused where it stands."""
    folder = folder_with(
        tmp_path, "residents.csv", 'r-8,h-1-201,"Li\nBcc: x",,', "r-9,h-1-201,Li\0,,"
    )
    with pytest.raises(ImportRefused) as refused:
        import_folder(community, folder, now=NOW)
    assert [(one.line, one.column) for one in refused.value.problems] == [(2, "name"), (4, "name")]


@pytest.mark.parametrize(
    ("name", "header", "row", "table", "kept"),
    [
        ("residents.csv", "id,household,name", "r-001,h-1-101,孙梅", tables.resident, "phone"),
        ("sites.csv", "id,name,zone", "lakeside,湖畔,Asia/Shanghai", tables.site, "community"),
        ("gates.csv", "id,site,name,kind", "grocer,lakeside,店,shop", tables.gate, "entry_limit"),
        ("devices.csv", "id,profile,place,site", "m,p,site,lakeside", tables.device, "gateway"),
    ],
)
def test_a_column_that_is_not_there_leaves_what_is_known(
    community: Engine, tmp_path: Path, name: str, header: str, row: str, table: Table, kept: str
) -> None:
    """A file without a column says nothing of it; a blank cell of one that it has empties it."""
    (tmp_path / "devices.csv").write_text(
        "id,profile,place,site,gateway\ndtu,p,site,lakeside,\nm,p,site,lakeside,dtu\n"
    )
    import_folder(community, tmp_path, now=NOW)
    (tmp_path / "devices.csv").unlink()

    def known() -> object:
        key = table.c.external_id if table is tables.resident else table.c.id
        (identity, _, _) = row.partition(",")
        with community.connect() as connection:
            return connection.scalar(select(table.c[kept]).where(key == identity))

    before = known()
    assert before
    (tmp_path / name).write_text(f"{header}\n{row}\n")
    import_folder(community, tmp_path, now=NOW)
    assert known() == before
    (tmp_path / name).write_text(f"{header},{kept}\n{row},\n")
    import_folder(community, tmp_path, now=NOW)
    assert not known()


def test_contradicting_rows_are_refused(community: Engine, tmp_path: Path) -> None:
    """Two lines may not say different things of one flat."""
    folder = folder_with(
        tmp_path, "households.csv", "h-9,b1,9-1,empty,,", "h-9,b2,9-1,empty,2020-02-01,"
    )
    with pytest.raises(ImportRefused, match="line 3: contradicts line 2"):
        import_folder(community, folder, now=NOW)


def test_unknown_gateway_is_refused(community: Engine, tmp_path: Path) -> None:
    """A device cannot speak through a gateway nobody registered, wherever the file lists it."""
    (tmp_path / "devices.csv").write_text(
        "id,profile,place,site,gateway\nm-1,p,site,lakeside,dtu-1\ndtu-2,p,site,lakeside,\n"
    )
    with pytest.raises(ImportRefused, match=r"line 2, column gateway: there is no device 'dtu-1'"):
        import_folder(community, tmp_path, now=NOW)


def test_byte_order_mark_is_accepted(community: Engine, tmp_path: Path) -> None:
    """Excel writes UTF-8 with a byte order mark."""
    (tmp_path / "grids.csv").write_bytes("id,site,name\ng-3,lakeside,三网格\n".encode("utf-8-sig"))
    assert import_folder(community, tmp_path, now=NOW).counts()["added"] == 1


def test_empty_folder_is_refused(engine: Engine, tmp_path: Path) -> None:
    """A folder without any known file is a mistake, not an empty import."""
    with pytest.raises(ImportRefused, match="holds none of"):
        import_folder(engine, tmp_path, now=NOW)


def test_export_can_be_imported(community: Engine, tmp_path: Path) -> None:
    """What was exported, histories included, changes nothing where it came from, and all of it
    arrives in an empty registry."""
    with community.connect() as connection:
        assert export_folder(connection, tmp_path / "out") > 30
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES)
    assert (tmp_path / "out" / "sites.csv").read_bytes().startswith(codecs.BOM_UTF8)  # For Excel.
    assert not import_folder(community, tmp_path / "out", now=NOW)
    elsewhere = create_engine(f"sqlite:///{tmp_path}/elsewhere.db")
    tables.metadata.create_all(elsewhere)
    import_folder(elsewhere, tmp_path / "out", now=NOW + 1)
    registry = load(elsewhere)
    assert registry.household_state("h-2-102", JANUARY) is HouseholdState.OCCUPIED
    assert registry.rota == load(community).rota
    assert registry.gates == load(community).gates
    assert registry.household_of_vehicle("鄂A12345", JANUARY) == "h-1-102"
    elsewhere.dispose()


def test_cache_follows_the_version(
    community: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot stays the same object until the registry changes, then it is the new one."""
    monkeypatch.setattr("devices.registry_store.CHECK_EVERY_S", 0.0)
    cache = RegistryCache(community)
    before = cache.current()
    assert cache.current() is before
    folder = folder_with(tmp_path, "households.csv", "h-9,b1,9-1,empty,,")
    import_folder(community, folder, now=NOW)
    after = cache.current()
    assert before.household_place("h-9") is None
    assert after.household_place("h-9") is not None


def test_one_flat_is_one_household(community: Engine, tmp_path: Path) -> None:
    """A second household of a flat is refused by its line; two that change flats are not."""
    twice = folder_with(tmp_path, "households.csv", "h-new,b1,1-101,empty,2020-01-01,")
    with pytest.raises(ImportRefused, match=r"households\.csv, line 2.*one flat"):
        import_folder(community, twice, now=NOW)
    swapped = folder_with(
        tmp_path,
        "households.csv",
        "h-1-101,b1,1-102,occupied,2020-01-01,",
        "h-1-102,b1,1-101,occupied,2020-01-01,",
    )
    import_folder(community, swapped, now=NOW)
