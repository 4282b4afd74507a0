"""The web room's public routes in this process, over a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.http import Access, open_access, rest_app
from hedgerow.core.identity.models import Organization, Project
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings
from hedgerow.web.bootstrap import bootstrap_router
from hedgerow.web.flags import flags_router
from hedgerow.web.scripts import SdkScripts


class Browser:
    """Asks the server as a page of another origin would."""

    origin = "https://shop.example"

    def __init__(self, client: httpx.AsyncClient, access: Access, token: str) -> None:
        self.client = client
        self.access = access
        self.token = token

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={"Origin": self.origin, **_dashed(headers)})

    async def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        return await self.client.post(path, content=body, headers={"Origin": self.origin, **_dashed(headers)})

    async def switch(self, **settings: Any) -> None:
        """Change the project's settings."""
        async with self.access.metadata.write() as session:
            project = await session.get_one(Project, 1)
            project.settings = {**project.settings, **settings}
        self.access.forget()


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    settings = Settings.load({}, data_dir=tmp_path)
    metadata, clock = await Metadata.open(settings), Clock()
    token = ids.secret("phc_")
    await _project(metadata, token, clock.now())
    access = open_access(metadata, settings, clock)
    app = rest_app(access, [bootstrap_router(SdkScripts.packaged()), flags_router()])
    transport = httpx.ASGITransport(app=cast("Any", app))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield Browser(client, access, token)
    await access.close()
    await metadata.close()


async def _project(metadata: Metadata, token: str, now: datetime) -> None:
    moments: dict[str, Any] = {"created_at": now, "updated_at": now, "deleted_at": None, "settings": {}}
    organization = Organization(id=ids.uuid7(), name="Fernhill", slug="fernhill", **moments)
    async with metadata.write() as session:
        session.add(organization)
        await session.flush()
        session.add(
            Project(
                uuid=ids.uuid7(),
                organization_id=organization.id,
                name="Shop",
                api_token=token,
                timezone="UTC",
                week_start_day=0,
                anonymize_ips=False,
                cookieless_server_hash_mode=0,
                ingested_event=False,
                **moments,
            )
        )
