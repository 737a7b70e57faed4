"""A browser without a screen, for tests of the console over HTTP."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
from fastapi.routing import APIRoute

from dashboards.console.app import create_app
from tests.console import PASSWORD, World

TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')
Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@asynccontextmanager
async def visit(world: World, name: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Open a browser on a community's console; with a name, one that has signed in."""
    transport = httpx.ASGITransport(create_app(world.context))
    base = world.context.console_url
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        if name is not None:
            response = await submit(client, "/sign-in", name=name, password=PASSWORD)
            assert response.status_code == 303
        yield client


async def token_of(client: httpx.AsyncClient, page: str = "/sign-in") -> str:
    """Return the form token of a page."""
    response = await client.get(page, follow_redirects=True)
    found = TOKEN.search(response.text)
    assert found
    return found.group(1)


async def submit(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form as a page of ours would."""
    token = await token_of(client)
    return await client.post(path, data={"csrf": token, **fields})


def paths(app: Any, method: str) -> set[str]:
    """Every address of the console for a method."""
    found: set[str] = set()
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        for one in inner.routes if inner is not None else [route]:
            if isinstance(one, APIRoute) and method in one.methods:
                found.add(one.path)
    return found
