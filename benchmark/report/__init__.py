"""Tables and pictures of a stored run. Everything here is a view of the store and can be made from
it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.plugins.contracts import Decoded
    from benchmark.report.pictures import Describe, Segment
    from benchmark.store.view import Scored


def print_tables(scored: Scored, console: Console) -> None:
    """Print the per-image tables, the summaries, the agreement of recipes and the failures of a
    store as it was read.
    """
    from benchmark.report import terminal

    terminal.print_tables(scored, console)


def write_report(
    scored: Scored,
    folder: Path,
    *,
    segment: Mapping[str, Segment] | None = None,
    describe: Mapping[str, Describe] | None = None,
    decode: Callable[[bytes], Decoded] | None = None,
) -> list[Path]:
    """Write leaderboard, tables and pictures into `folder` and return their paths. Nothing is
    fitted again.

    segment: for each reader's hash what gives its probabilities (`Network.segment_planes`), for the
    contours in the pictures; readers without get none. describe: for each hash of a reader of
    labels what says its answer (`LabelNetwork.describe`), for their captions. decode: what turns a
    fit's file into an image; the bitstream's own by default.
    """
    from benchmark.files.writing import whole
    from benchmark.report.cross import write_cross
    from benchmark.report.curves import write_curves
    from benchmark.report.exports import write_exports
    from benchmark.report.leaderboard import leaderboard
    from benchmark.report.per_image import lines
    from benchmark.report.pictures import write_pictures
    from benchmark.stats.compare import compare

    if decode is None:
        from benchmark import bitstream

        decode = bitstream.decode
    folder.mkdir(parents=True, exist_ok=True)
    comparisons = compare(scored)
    found = [line for comparison in comparisons for line in lines(scored, comparison)]
    page = folder / "leaderboard.md"
    whole(page, leaderboard(scored))
    paths = [
        page,
        *write_exports(scored, found, folder),
        *write_curves(scored, comparisons, folder),
        *write_cross(scored, folder),
    ]
    return paths + write_pictures(
        scored, found, folder, segment=segment or {}, describe=describe or {}, decode=decode
    )
