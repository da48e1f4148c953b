"""The compressed files of a store as files, for `decode` and for whoever wants to read them with
other tools.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.files.writing import whole
from benchmark.report.codecs import names_of
from benchmark.store.store import Row
from benchmark.store.view import Scored


def write_files(scored: Scored, folder: Path) -> list[Path]:
    """Write every stored file into `folder` as IMAGE_METHOD_SETTINGS_KEY.inr (of a codec: with the
    suffix that it declares); returns the paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for row in scored.store.each_row([row.key for row in scored.rows]):
        if row.data is not None:
            # Names may be a stranger's, such as ../../x: they stay in this folder all the same.
            paths.append(folder / re.sub(r"[/\\\0]", "_", _name(row)))
            whole(paths[-1], row.data, sync=False)
    return paths


def _name(row: Row) -> str:
    facts = row.facts
    if facts["codec"]:
        codec = names_of(facts["codec"])
        beside = f"{codec.name}_beside-{facts['inr']}"
        return f"{facts['sample_id']}_{beside}_{row.key[:8]}{codec.suffix}"
    kind = "null" if facts["null"] else f"lambda-{facts['lambda']:g}"
    return f"{facts['sample_id']}_{facts['inr']}_{kind}_seed-{facts['seed']}_{row.key[:8]}.inr"
