"""What a project's data is called: events and properties that it has seen, with their types, its actions, its saved queries."""

from hedgerow.taxonomy.actions import Actions
from hedgerow.taxonomy.memory import EVENTS, PERSONS
from hedgerow.taxonomy.named import Named, Shelf
from hedgerow.taxonomy.observer import Taxonomy
from hedgerow.taxonomy.saved_queries import SavedQueries
from hedgerow.taxonomy.schema import People, Schemas, StoredSchema

__all__ = [
    "EVENTS",
    "PERSONS",
    "Actions",
    "Named",
    "People",
    "SavedQueries",
    "Schemas",
    "Shelf",
    "StoredSchema",
    "Taxonomy",
]
