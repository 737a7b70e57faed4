"""Style, script and icon: own files, and htmx from its installed package. No other source."""

from importlib.resources import files

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

router = APIRouter()
_OWN = files("dashboards.console") / "static"
_FILES = {
    "console.css": (_OWN / "console.css", "text/css; charset=utf-8"),
    "live.js": (_OWN / "live.js", "text/javascript; charset=utf-8"),
    "icon.svg": (_OWN / "icon.svg", "image/svg+xml"),
    "htmx.js": (
        files("js_lib_htmx") / "static" / "htmx" / "htmx.min.js",
        "text/javascript; charset=utf-8",
    ),
}


@router.get("/static/{name}")
def serve(name: str) -> Response:
    """Serve one of the listed files; an address carries the program's version, so it is kept."""
    if name not in _FILES:
        raise HTTPException(404)
    source, media_type = _FILES[name]
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(source.read_bytes(), media_type=media_type, headers=headers)
