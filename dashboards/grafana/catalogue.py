"""All dashboards, their generated files, and what is wrong with either."""

from pathlib import Path

from alerts.thresholds import Thresholds
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.lint import faults
from dashboards.grafana.long_run import long_run
from dashboards.grafana.now import now
from dashboards.grafana.temperature_and_occupancy import temperature_and_occupancy

GENERATED = Path(__file__).parent / "generated"


def dashboards(thresholds: Thresholds) -> tuple[Dashboard, ...]:
    """Return every dashboard, with the thresholds it shows."""
    return now(thresholds), temperature_and_occupancy(thresholds), long_run(thresholds)


def build(folder: Path, thresholds: Thresholds) -> list[Path]:
    """Write every dashboard as a file that Grafana loads; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for dashboard in dashboards(thresholds):
        file = folder / dashboard.file_name
        file.write_text(dashboard.text(), encoding="utf-8")
        files.append(file)
    return files


def check(folder: Path, thresholds: Thresholds) -> list[str]:
    """Return what is wrong with the dashboards and their files; nothing when all is well."""
    found = []
    for dashboard in dashboards(thresholds):
        found += [f"{dashboard.title}: {fault}" for fault in faults(dashboard.render())]
        file = folder / dashboard.file_name
        if not file.exists() or file.read_text(encoding="utf-8") != dashboard.text():
            found.append(f"{file}: not what the code gives; run gatehouse dashboards build")
    return found
