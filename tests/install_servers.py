"""Install the servers that the tests use, where the package manager lets us; else list them."""

import glob
import os
import shutil
import subprocess
import sys

PROGRAMS = {
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_passwd": "mosquitto",
    "influxd": "influxdb",
    "initdb": "postgresql",
    "chromium": "chromium",
    "strace": "strace",
    "docker-compose": "docker-compose",
    "fc-list": "fontconfig",
}
PLACES = ["/usr/sbin", "/usr/local/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]
"""Where Debian puts programs beside the PATH; PostgreSQL's of the newest version last."""
FONT = ("fonts-noto-cjk", "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


def find_program(name: str) -> str | None:
    """Return the path of a program of this machine, None where there is none."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))


def missing_packages() -> list[str]:
    """Return the Debian packages whose program is not on this machine."""
    packages = {package for name, package in PROGRAMS.items() if not find_program(name)}
    if not os.path.exists(FONT[1]):
        packages.add(FONT[0])
    return sorted(packages)


def main() -> int:
    """Install what is missing, or say what to install."""
    packages = missing_packages()
    if not packages:
        return 0
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(
            "The tests use servers that are not here; those tests are skipped. "
            f"To have them:\n  {by_hand}"
        )
        return 0
    print(f"installing {' '.join(packages)} …", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-qq", *arguments], env=quiet, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(
                f"{done.stderr.strip()[-500:]}\nInstall them by hand:\n  {by_hand}", file=sys.stderr
            )
            return 0 if not os.environ.get("CI") else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
