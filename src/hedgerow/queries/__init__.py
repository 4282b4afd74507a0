"""The query endpoint: kinds of queries, how they are run, kept, watched and stopped.

`server` makes one `Queries`, puts it at `app.state.queries`, and adds `routes`:

    writes = LocalWrites()              # embedded; StoreRows(events) where several workers share a ClickHouse server
    queries = Queries(events, settings, clock, schema_of=schemas.of, data=writes)
    ...; await queries.close()          # before the event store closes

Whoever stores something calls `writes.saw(events)` or `writes.changed(team_id)`, so that cached results become stale.
"""

from hedgerow.queries.freshness import DataState, LocalWrites, StoreRows
from hedgerow.queries.routes import routes
from hedgerow.queries.runner import Queries

__all__ = ["DataState", "LocalWrites", "Queries", "StoreRows", "routes"]
