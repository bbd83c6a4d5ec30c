"""Fingerprint: one name for everything that prepared images depend on."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from trimorph.core import conventions
from trimorph.data.tables import ParticleTable

_LAYOUT = 1
"""Raised when prepared images change for the same input."""


def fingerprint(table: ParticleTable, settings: dict[str, object]) -> str:
    """Hexadecimal digest of the images' places, shifts, the stacks' sizes and times, and the settings."""
    digest = hashlib.sha256()
    used = np.unique(table.stack)
    stats = [(str(table.stacks[s]), table.stacks[s].stat()) for s in used]
    stacks = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    head = {"layout": _LAYOUT, "conventions": conventions.VERSION, "stacks": stacks, "settings": settings}
    digest.update(json.dumps(head, sort_keys=True).encode())
    rows = (table.stack, table.slice, table.sign, table.pixel_size, table.box, table.shift)
    for values in rows:
        digest.update(b"none" if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
