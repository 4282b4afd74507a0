"""Users, sign-in sessions, keys and tokens of every kind, scopes: who asks, and what they may."""
