"""``gatehouse registry``, as an operator runs it."""

import io
import json
import sys
from pathlib import Path

import pytest

from dashboards import audit
from gatehouse.database import create
from tests.command import Run

SAMPLE = Path(__file__).parents[2] / "devices" / "sample_community"


def test_sample_is_tried_imported_and_exported(run: Run, tmp_path: Path) -> None:
    """A dry run says what would change, an import does it once, an export can be read again."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path / "data")}
    assert run("migrate", environment=here).code == 0
    tried = run("registry", "import", str(SAMPLE), "--dry-run", environment=here)
    assert "+ household h-1-101: building b1, flat 1-101" in tried.out
    assert tried.out.endswith("nothing was changed\n")
    done = run("registry", "import", str(SAMPLE), "--json", environment=here)
    assert json.loads(done.out)["added"] > 40
    again = run("registry", "import", str(SAMPLE), environment=here)
    assert again.out == "0 added, 0 changed, 0 removed\n"
    assert run("registry", "export", "out", environment=here).code == 0
    assert (tmp_path / "out" / "residents.csv").read_text(encoding="utf-8").count("\n") == 6


def test_wrong_folder_says_so_in_a_line(run: Run, tmp_path: Path) -> None:
    """A refused import exits with 1, the reason on stderr, nothing else."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path / "data")}
    assert run("migrate", environment=here).code == 0
    (tmp_path / "sites.csv").write_text("id,name,zone\nlake,Lake,Mars/Olympus\n")
    refused = run("registry", "import", str(tmp_path), environment=here)
    assert refused.code == 1
    assert "sites.csv, line 2, column zone: 'Mars/Olympus' is no time zone" in refused.err
    assert "Traceback" not in refused.err
    (tmp_path / "gatehouse.toml").write_text('language = "zh"\n')
    refused = run("registry", "import", str(tmp_path), environment=here)
    assert (
        "sites.csv，第 2 行，时区 列：'Mars/Olympus' 不是时区；请写成 Asia/Shanghai" in refused.err
    )


def test_what_was_so_at_a_time_is_shown_and_exported(run: Run, tmp_path: Path) -> None:
    """A household that went away in January was occupied before; its flat and names stay closed."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path / "data")}
    assert run("registry", "import", str(SAMPLE), environment=here).code == 0
    asked = ("registry", "show", "household", "h-2-102")
    then = ("--at", "2020-01-10T12:00:00+08:00")
    ever, before = (run(*asked, *more, environment=here) for more in ((), then))
    states = [
        [one["state"] for one in json.loads(f.out)["household_state"]] for f in (ever, before)
    ]
    assert states == [["occupied", "away"], ["occupied"]]
    assert "2-102" not in ever.out.replace("h-2-102", "")
    assert run("registry", "export", "out", *then, environment=here).code == 0
    households = (tmp_path / "out" / "households.csv").read_text(encoding="utf-8")
    assert "h-2-102,b2,2-102,occupied" in households
    assert "away" not in households
    assert (
        run("registry", "export", "none", "--at", "2019-01-01T00:00:00Z", environment=here).code
        == 0
    )
    assert (tmp_path / "none" / "devices.csv").read_text(encoding="utf-8").count("\n") == 1


def test_a_name_is_shown_for_a_reason_that_is_recorded(run: Run, tmp_path: Path) -> None:
    """Without one nothing of a person is shown, and what is wrong is said in a line."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path / "data")}
    assert run("registry", "import", str(SAMPLE), environment=here).code == 0
    asked = ("registry", "show", "resident", "r-002")
    closed = run(*asked, environment=here)
    assert closed.code == 0
    for secret in ("Li Qiang", "10000000002", "Dialysis", "subject"):
        assert secret not in closed.out
    assert run(*asked, "--names", environment=here).code == 2
    opened = run(*asked, "--names", "--reason", "doctor asked", environment=here)
    assert json.loads(opened.out)["name"] == "李强 Li Qiang"
    database = create(f"sqlite:///{tmp_path}/data/state.db")
    with database.connect() as connection:
        (entry,) = audit.find(connection, about="resident:r-002")
    database.dispose()
    assert (entry.action, entry.reason) == (audit.Action.OPENED_PERSON, "doctor asked")
    assert "there is no device 'x'" in run("registry", "show", "device", "x", environment=here).err
    assert run("registry", "show", "cat", "x", environment=here).code == 2
    assert run(*asked, "--at", "soon", environment=here).code == 2
    gate = run("registry", "show", "gate", "lakeside/grocer", environment=here)
    assert json.loads(gate.out)["entry_limit"] == 15


def test_an_office_begins_with_a_template_and_goes_on_with_an_export(
    run: Run, tmp_path: Path
) -> None:
    """The sample as a workbook is tried, imported, exported, and then changes nothing again."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path / "data")}
    assert run("migrate", environment=here).code == 0
    words = ("registry", "template", "office.xlsx", "--language", "zh")
    assert run(*words, "--sample", environment=here).code == 0
    assert "is there already" in run(*words, environment=here).err
    tried = run("registry", "import", "office.xlsx", "--dry-run", environment=here)
    assert tried.out.startswith("1 site is new\n")
    assert run("registry", "import", "office.xlsx", environment=here).code == 0
    assert run("registry", "export", "now.xlsx", "--language", "zh", environment=here).code == 0
    again = json.loads(run("registry", "import", "now.xlsx", "--json", environment=here).out)
    assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0)
    assert (again["notes"], again["summary"]) == ([], [])


def test_a_dry_run_says_in_sentences_what_a_list_of_people_changes(
    run: Run, tmp_path: Path
) -> None:
    """Sentences before rows, notes before sentences; no name is shown, and nothing is written."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path / "data")}
    assert run("migrate", environment=here).code == 0
    assert run("registry", "import", str(SAMPLE), environment=here).code == 0
    header, *rows = "编号,楼栋,门牌,姓名,居住状态,备注", "r-001,b1,1-102,孙梅,,"
    text = "\n".join([header, *rows, ",b1,1-201,张三,在住,x", ",b2,9,,空置,"])
    (tmp_path / "名单.csv").write_text(text, encoding="gb18030")
    tried = run("registry", "import", "名单.csv", "--dry-run", environment=here)
    assert tried.out.splitlines()[:8] == [
        "note: 名单.csv: read as GB 18030",
        "note: 名单.csv: column 备注 is not read",
        "1 flat is new",
        "1 resident is new",
        "1 resident changes",
        "1 resident moves",
        "1 flat becomes occupied",
        "  + resident h-1-201-1: external_id h-1-201-1",
    ]
    assert "张三" not in tried.out
    assert tried.out.endswith("nothing was changed\n")
    assert "there is no such file" in run("registry", "import", "nowhere", environment=here).err


class Terminal(io.StringIO):
    """Standard error as somebody looks at it."""

    def isatty(self) -> bool:
        return True


def test_whoever_looks_at_a_long_import_is_told_how_far_it_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is being done stands on the terminal, and is gone when it is over."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path / "data")}
    assert run("migrate", environment=here).code == 0
    terminal = Terminal()
    monkeypatch.setattr("gatehouse.cli.registry.TOLD_AFTER_S", 0.0)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run("registry", "import", str(SAMPLE), environment=here).code == 0
    assert "reading the registry ..." in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
