"""The rules that every route shares."""
