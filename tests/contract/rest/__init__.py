"""The REST API contract."""
