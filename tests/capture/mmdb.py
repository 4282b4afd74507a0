"""A MaxMind database of one network, written by the format's public description (version 2.0, IPv4)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

PLACE = {
    "city": {"names": {"en": "Gent", "nl": "Gent"}},
    "country": {"iso_code": "BE", "names": {"en": "Belgium"}},
    "continent": {"code": "EU", "names": {"en": "Europe"}},
    "postal": {"code": "9000"},
    "location": {"latitude": 51.05, "longitude": 3.72, "time_zone": "Europe/Brussels", "accuracy_radius": 20},
    "subdivisions": [{"iso_code": "VLG", "names": {"en": "Flanders"}}],
}


def write_database(path: Path, first_byte: int, record: dict[str, Any] = PLACE) -> None:
    """Every address that begins with `first_byte` is at `record`; others are nowhere."""
    nodes, empty = bytearray(), 8
    for level in range(8):
        onward = level + 1 if level < 7 else 8 + 16
        pair = (empty, onward) if first_byte >> (7 - level) & 1 else (onward, empty)
        nodes += b"".join(value.to_bytes(3, "big") for value in pair)
    facts = {
        "node_count": 8,
        "record_size": _number(24, 5),
        "ip_version": _number(4, 5),
        "database_type": "City",
        "languages": ["en"],
        "binary_format_major_version": _number(2, 5),
        "binary_format_minor_version": _number(0, 5),
        "build_epoch": _number(1_900_000_000, 9),
        "description": {"en": "one network"},
    }
    path.write_bytes(bytes(nodes) + bytes(16) + _encode(record) + b"\xab\xcd\xefMaxMind.com" + _encode(facts))


def _encode(value: Any) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        return _control(2, len(raw)) + raw
    if isinstance(value, float):
        return _control(3, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        return _number(value, 6)
    if isinstance(value, dict):
        pairs = [_encode(key) + (item if isinstance(item, bytes) else _encode(item)) for key, item in value.items()]
        return _control(7, len(value)) + b"".join(pairs)
    return bytes([len(value), 4]) + b"".join(_encode(item) for item in value)


def _number(value: int, kind: int) -> bytes:
    """An unsigned number: kind 5 has up to 16 bits, 6 up to 32, 9 up to 64."""
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return _control(kind, len(raw)) + raw if kind < 8 else bytes([len(raw), kind - 7]) + raw


def _control(kind: int, size: int) -> bytes:
    return bytes([kind << 5 | size]) if size < 29 else bytes([kind << 5 | 29, size - 29])
