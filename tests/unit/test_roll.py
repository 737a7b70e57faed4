"""One list of people, as an office keeps it: nobody is doubled, nothing is guessed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from devices import import_words, tables
from devices.csv_import import ImportRefused, import_folder
from devices.registry import HouseholdState
from devices.registry_draft import Difference, read_rows
from devices.registry_store import load
from devices.registry_words import Language

SAMPLE = Path(tables.__file__).parent / "sample_community"
NOW = 1_581_674_400_000
HEADER = "序号,楼栋,门牌,姓名,联系电话,居住状态\n"


@pytest.fixture
def community() -> Iterator[Engine]:
    """The sample community, whose second building is called 2号楼."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    import_folder(engine, SAMPLE, now=NOW)
    with engine.begin() as connection:
        connection.execute(
            tables.building.update().where(tables.building.c.id == "b2").values(name="2号楼")
        )
    yield engine
    engine.dispose()


def take(engine: Engine, tmp_path: Path, *lines: str, header: str = HEADER) -> Difference:
    file = tmp_path / "居民名单.csv"
    file.write_text(header + "\n".join(lines) + "\n", encoding="gb18030")
    return import_folder(engine, file, now=NOW)


def homes(engine: Engine) -> dict[str, tuple[str, str]]:
    """Return who lives where: household and name by the office's id."""
    with engine.connect() as connection:
        rows = read_rows(connection)
    return {
        rows["resident"][(subject,)]["external_id"]: (
            home["household"],
            rows["resident"][(subject,)]["name"],
        )
        for (subject, _), home in rows["residence"].items()
        if home["until"] is None
    }


def test_an_offices_own_list_becomes_flats_and_people(community: Engine, tmp_path: Path) -> None:
    """Without any id, of a new flat and a known one; whoever has a name there lives there."""
    take(community, tmp_path, "1, 2 号楼,301,张三,138,", "2,2号楼,301,李四,,", "3,b2,302,,,空置")
    found = homes(community)
    assert found["b2-301-1"] == ("b2-301", "张三")
    assert found["b2-301-2"] == ("b2-301", "李四")
    registry = load(community)
    assert registry.household_state("b2-301", NOW) is HouseholdState.OCCUPIED
    assert registry.household_state("b2-302", NOW) is HouseholdState.EMPTY


def test_the_same_list_again_changes_nothing(community: Engine, tmp_path: Path) -> None:
    """Nobody is there twice, in whatever order and with whatever spaces the list comes again."""
    lines = ["1,2号楼,301,张三,138,", "2,2号楼,301,李四,,", "3,2号楼,302,,,空置"]
    assert take(community, tmp_path, *lines)
    assert not take(community, tmp_path, *reversed(lines))
    assert not take(community, tmp_path, "9, 2号楼 , 301 ,张三,138,")


def test_known_people_and_flats_are_found(community: Engine, tmp_path: Path) -> None:
    """A flat keeps its id and state; a name that lives there is that person, with their phone."""
    difference = take(community, tmp_path, "1,b1,1-101,孙梅 Sun Mei,,", "2,b2,2-102,新人,,")
    assert sorted(difference.counts().values()) == [0, 0, 2]
    assert homes(community)["h-2-102-1"] == ("h-2-102", "新人")
    assert load(community).household_state("h-2-102", NOW) is HouseholdState.AWAY


def test_no_name_stands_in_an_id_or_a_line(community: Engine, tmp_path: Path) -> None:
    """What a dry run shows may be pasted into a ticket."""
    difference = take(community, tmp_path, "1,2号楼,301,张三,13812345678,")
    assert "张三" not in "\n".join(difference.lines())
    assert "13812345678" not in "\n".join(difference.lines())


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["1,9号楼,301,张三,,"], "line 2, column 楼栋: there is no building '9号楼'"),
        (["1,2号楼,301,,,"], "line 2, column 居住状态: must be given where there is no name"),
        (
            ["1,2号楼,3/01,张三,,", "2,2号楼,3-01,李四,,"],
            "line 3, column 门牌: looks like another flat, 'b2-3-01': write both alike",
        ),
        (
            ["1,2号楼,301,张三,,在住", "2,2号楼,301,李四,,外出"],
            "line 3, column 居住状态: line 2 says occupied of this flat",
        ),
        (["1,2号楼,301,张三,1,", "2,2号楼,301,张三,2,"], "line 3: contradicts line 2"),
        ([f"1,2号楼,{'x' * 63},张三,,"], "makes an id of more than 64 characters"),
        (["1,2号楼,,张三,,"], "line 2, column 门牌: must be given"),
    ],
)
def test_what_is_not_certain_is_refused(
    community: Engine, tmp_path: Path, lines: list[str], told: str
) -> None:
    """The line and the office's own column are named, and nothing is imported."""
    before = homes(community)
    with pytest.raises(ImportRefused) as refused:
        take(community, tmp_path, *lines)
    assert told in str(refused.value)
    for problem in refused.value.problems:
        assert import_words.told(problem.reason, Language.CHINESE) != problem.reason
    assert homes(community) == before


def test_buildings_of_one_name_are_told_apart_by_their_site(
    community: Engine, tmp_path: Path
) -> None:
    """Every compound has a building 1: without the column that says whose, it is refused."""
    with community.begin() as connection:
        for table, values in (
            (tables.site, {"id": "east", "name": "东苑", "zone": "Asia/Shanghai"}),
            (tables.grid, {"id": "e", "site": "east", "name": "E"}),
            (tables.building, {"id": "e2", "site": "east", "grid": "e", "name": "2号楼"}),
        ):
            connection.execute(table.insert().values(values))
    with pytest.raises(ImportRefused, match="several buildings '2号楼'; add the column site"):
        take(community, tmp_path, "1,2号楼,301,张三,,")
    take(community, tmp_path, "东苑,2号楼,301,张三", header="小区,楼栋,门牌,姓名\n")
    assert homes(community)["e2-301-1"] == ("e2-301", "张三")
