"""``gatehouse registry``, as an operator runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

SAMPLE = Path(__file__).parents[2] / "devices" / "sample_community"


def gatehouse(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEHOUSE_")}
    environment["GATEHOUSE_DATA_DIR"] = str(folder / "data")
    return subprocess.run(
        [sys.executable, "-m", "gatehouse", *words],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(SAMPLE.parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_sample_is_tried_imported_and_exported(tmp_path: Path) -> None:
    """A dry run says what would change, an import does it once, an export can be read again."""
    (tmp_path / "data").mkdir(mode=0o700)
    assert gatehouse(tmp_path, "migrate").returncode == 0
    tried = gatehouse(tmp_path, "registry", "import", str(SAMPLE), "--dry-run")
    assert "+ household h-1-101: building b1, flat 1-101" in tried.stdout
    assert tried.stdout.endswith("nothing was changed\n")
    done = gatehouse(tmp_path, "registry", "import", str(SAMPLE), "--json")
    assert json.loads(done.stdout)["added"] > 40
    again = gatehouse(tmp_path, "registry", "import", str(SAMPLE))
    assert again.stdout == "0 added, 0 changed, 0 removed\n"
    assert gatehouse(tmp_path, "registry", "export", "out").returncode == 0
    assert (tmp_path / "out" / "residents.csv").read_text(encoding="utf-8").count("\n") == 6


def test_wrong_folder_says_so_in_a_line(tmp_path: Path) -> None:
    """A refused import exits with 1, the reason on stderr, nothing else."""
    (tmp_path / "data").mkdir(mode=0o700)
    assert gatehouse(tmp_path, "migrate").returncode == 0
    (tmp_path / "sites.csv").write_text("id,name,zone\nlake,Lake,Mars/Olympus\n")
    refused = gatehouse(tmp_path, "registry", "import", str(tmp_path))
    assert refused.returncode == 1
    assert "sites.csv, line 2, column zone: 'Mars/Olympus' is no time zone" in refused.stderr
    assert "Traceback" not in refused.stderr
