"""``gatehouse registry``, as an operator runs it."""

import json
from pathlib import Path

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
