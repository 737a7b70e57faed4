"""Dashboards pushed to a Grafana that is already there, by uid: pushing again changes nothing.

Only the raw verbs of ``grafana-api`` are used: its own calls know nothing of uids.

Source: Grafana HTTP API, "Dashboard API" and "Folder API".
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from grafana_api.grafana_api import (  # type: ignore[import-untyped] # It ships no types.
    GrafanaAPI,
    GrafanaClientError,
    GrafanaException,
)
from requests import RequestException

from dashboards.grafana.dashboard import Dashboard

FOLDER_UID = "gatehouse"
FOLDER_TITLE = "Gatehouse"
_SECONDS = 15.0


class PushRefused(Exception):
    """The dashboards did not arrive: one sentence that says what to do. Never a secret."""


def push(url: str, token: str, dashboards: Sequence[Dashboard]) -> list[str]:
    """Create or overwrite the folder and the dashboards in it; return their addresses.

    Args:
        url: Address of the Grafana, like ``https://grafana.example:3000/path``.
        token: Of a service account that may edit dashboards.
        dashboards: What to push; the same uid overwrites.

    Raises:
        PushRefused: Grafana cannot be reached, or refuses.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise PushRefused("write the address of your Grafana like https://grafana.example:3000")
    api = GrafanaAPI(
        token,
        host=parts.hostname,  # Without its scheme, which grafana-api puts before it.
        port=parts.port,
        protocol=parts.scheme,
        url_path_prefix=f"{parts.path.strip('/')}/".lstrip("/"),
        timeout=_SECONDS,
    )
    try:
        _ensure_folder(api)
        paths = [_put(api, dashboard) for dashboard in dashboards]
    except GrafanaException as error:
        raise PushRefused(f"Grafana at {parts.netloc} refuses: {error.message}") from error
    except (RequestException, ValueError, LookupError, TypeError) as error:
        raise PushRefused(f"Grafana at {parts.netloc} does not answer as one: {error}") from error
    finally:
        api.s.close()
    return [f"{parts.scheme}://{parts.netloc}{path}" for path in paths]


def _ensure_folder(api: Any) -> None:
    try:
        api.GET(f"/folders/{FOLDER_UID}")
    except GrafanaClientError as error:
        if error.status_code != 404:
            raise
        api.POST("/folders", json={"uid": FOLDER_UID, "title": FOLDER_TITLE})


def _put(api: Any, dashboard: Dashboard) -> str:
    answer = api.POST(
        "/dashboards/db",
        json={
            "dashboard": {**dashboard.render(), "id": None},
            "folderUid": FOLDER_UID,
            "overwrite": True,
            "message": "gatehouse dashboards push",
        },
    )
    return str(answer["url"])
