"""The .csg file beside a .cs file, by which cryoSPARC imports a group of results."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import yaml

from trimorph.data.atomic import atomic_path
from trimorph.data.cs_rows import load_cs


def write_csg(cs: Path, *, title: str, overwrite: bool = False) -> Path:
    """Write ``cs`` with the ending .csg: which kinds of result it holds, and for how many particles.

    Fields of a .cs file are named kind/what; each kind becomes a result of the type particle.kind. What
    trimorph adds itself is left out, as cryoSPARC knows no such kind.
    Errors: FileExistsError.
    """
    rows = load_cs(cs)
    kinds = dict.fromkeys(name.split("/")[0] for name in rows.dtype.names or () if "/" in name)
    kinds.pop("trimorph", None)
    group = {
        "created": datetime.now(UTC).replace(tzinfo=None),
        "group": {"description": title, "name": "particles", "title": title, "type": "particle"},
        "results": {
            kind: {"metafile": f">{cs.name}", "num_items": len(rows), "type": f"particle.{kind}"}
            for kind in kinds
        },
    }
    path = cs.with_suffix(".csg")
    with atomic_path(path, overwrite) as temporary:
        temporary.write_text(yaml.safe_dump(group, sort_keys=False), encoding="utf-8")
    return path
