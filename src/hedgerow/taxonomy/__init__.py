"""Definitions: which events and properties a project has seen, and of what type they are."""

from hedgerow.taxonomy.memory import EVENTS, PERSONS
from hedgerow.taxonomy.observer import Taxonomy
from hedgerow.taxonomy.schema import People, Schemas, StoredSchema

__all__ = ["EVENTS", "PERSONS", "People", "Schemas", "StoredSchema", "Taxonomy"]
