"""What a start costs: the same, whether much or little waits in the journal."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from ingest.journal import Journal
from ingest.journal_file import list_files
from tests.messages import message

KIB = 1024
START = """
import json, sys, tracemalloc
from pathlib import Path
from ingest.journal import Journal
def read():
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
tracemalloc.start()
before = read()
journal = Journal.open(Path(sys.argv[1]), min_free_bytes=0)
print(json.dumps([read() - before, tracemalloc.get_traced_memory()[1], journal.head]))
"""
"""Prints bytes read from files, most bytes of memory, and the head."""


def grow(folder: Path, *, files: int) -> None:
    """Write so many files of ten rows, 400 KiB each."""
    with closing(Journal.open(folder, min_free_bytes=0, file_bytes=4_000 * KIB)) as journal:
        while len(list_files(folder)) < files or journal.head % 10:
            journal.append([message(journal.head, payload=bytes(400 * KIB))])


def cost(folder: Path) -> list[int]:
    """Return what a new process prints of a start."""
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder)],
        check=True,
        capture_output=True,
        timeout=60,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_a_start_reads_no_more_for_a_backlog(tmp_path: Path) -> None:
    """Of each file a few pages are read, and nothing of what waits in it; memory stays the same."""
    grow(tmp_path / "little", files=2)
    grow(tmp_path / "much", files=12)
    little, much = cost(tmp_path / "little"), cost(tmp_path / "much")
    assert much[2] >= little[2] + 80
    assert (much[0] - little[0]) / 10 < 350 * KIB, "of 4,000 KiB that a file holds"
    assert much[1] < little[1] + 200 * KIB
