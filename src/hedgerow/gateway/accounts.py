"""Whose credential this is: a probe that must succeed before a credential counts (gateway §1.4, §3.7)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hedgerow.gateway.apps import App
from hedgerow.gateway.channel import UpstreamError
from hedgerow.gateway.enquiry import Enquirer, Reply
from hedgerow.gateway.places import Place

PROBE_SECONDS_MAX: Final = 5.0
PLACES_MAX: Final = 4
PROJECTS_MAX: Final = 100
TEXT_MAX: Final = 200


class Probed(msgspec.Struct, frozen=True):
    """What a place said to a credential."""

    place: Place
    is_accepted: bool
    status: int
    """Of its answer; 0 if there was none."""
    facts: dict[str, Any]

    @property
    def words(self) -> str:
        """For a person."""
        if self.is_accepted:
            return "it was accepted"
        if self.status == 0:
            return "no answer"
        return "the key is not known there" if self.status == 401 else f"the answer was {self.status}"


class Prober:
    """Tries credentials. One for the process."""

    def __init__(self, enquirer: Enquirer) -> None:
        """Ask with this."""
        self._enquirer = enquirer

    async def probe(self, app: App, place: Place, bearer: str) -> Probed:
        """Ask the place about the owner of a credential."""
        status, fields = 0, None
        for path in app.probes:
            try:
                reply = await self._enquirer.get(place.host, path, bearer=bearer, seconds=PROBE_SECONDS_MAX)
            except UpstreamError:
                return Probed(place, is_accepted=False, status=0, facts={})
            status = reply.status
            if status == 200 and (reply.fields is not None or reply.items):
                fields = reply.fields or {}
                break
            if status != 403:
                return Probed(place, is_accepted=False, status=status, facts={})
        if fields is None:
            return Probed(place, is_accepted=False, status=status, facts={})
        facts = _facts(place, fields)
        if "/api/projects/" in app.probes:
            projects = await self._projects(place, bearer, fields)
            if projects is not None:
                facts["projects"] = projects
        return Probed(place, is_accepted=True, status=200, facts=facts)

    async def first(self, app: App, places: list[Place], bearer: str) -> list[Probed]:
        """Ask one after the other until one accepts; that one is last. At most four are asked."""
        tried: list[Probed] = []
        for place in places[:PLACES_MAX]:
            tried.append(await self.probe(app, place, bearer))
            if tried[-1].is_accepted:
                break
        return tried

    async def _projects(self, place: Place, bearer: str, fields: dict[str, Any]) -> list[dict[str, Any]] | None:
        reply: Reply | None = None
        if "results" not in fields:
            try:
                reply = await self._enquirer.get(place.host, "/api/projects/", bearer=bearer, seconds=PROBE_SECONDS_MAX)
            except UpstreamError:
                return None
            if reply.status != 200 or reply.fields is None:
                return None
            fields = reply.fields
        results = fields.get("results")
        if not isinstance(results, list):
            return None
        found = [item for item in results if isinstance(item, dict) and isinstance(item.get("id"), int)]
        return [{"id": item["id"], "name": _text(item.get("name"))} for item in found[:PROJECTS_MAX]]


def _facts(place: Place, fields: dict[str, Any]) -> dict[str, Any]:
    """`metadata` of a connection. The answer is another server's: only what has the right type is taken."""
    facts: dict[str, Any] = {"region": place.name, "base_url": place.origin}
    if isinstance(fields.get("email"), str):
        facts["email"] = _text(fields["email"])
    organization = fields.get("organization")
    if isinstance(organization, dict) and isinstance(organization.get("id"), str):
        facts["organization"] = {"id": _text(organization["id"]), "name": _text(organization.get("name"))}
    return facts


def _text(value: Any) -> str:
    said = value if isinstance(value, str) else ""
    return "".join(character for character in said if character.isprintable())[:TEXT_MAX]
