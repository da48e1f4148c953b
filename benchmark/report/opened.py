"""A run as Python sees it: tables as DataFrames, images as arrays, pages and pictures."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.bitstream.anyfile import decode_as
from benchmark.errors import InputError, call, closest
from benchmark.networks.network import LabelNetwork, Network
from benchmark.networks.reopen import networks_of
from benchmark.report import write_report
from benchmark.report.exports import UNDERPERFORMER_COLUMNS
from benchmark.report.frame import frame
from benchmark.report.methods import ranking, sections
from benchmark.report.per_image import Line, flat, lines, peers, underperformers
from benchmark.stats.compare import METRICS, compare
from benchmark.store.experiments import Experiment
from benchmark.store.store import Store
from benchmark.store.view import Only, Scored
from benchmark.types import Sample, planes

SHOWN = 20  # rows of a table in a notebook, the losses first


@dataclass(frozen=True)
class Picture:
    """One image of a run as arrays, in [0, 1]; volumes have an axis of planes in front.

    original, plain, sinco: float32 [H, W, C] or [D, H, W, C]; fits are decoded from their files, of
    the first seed where there are several. mask: bool [H, W] or [D, H, W], the true mask.
    codecs: name of a classical codec -> its decoded file beside these fits. masks: (what was read:
    original, plain, sinco; name of the network) -> bool mask, where networks were asked to read.
    comparison: in words, which SINCO fit it is.
    """

    id: str
    patient: str
    original: np.ndarray
    plain: np.ndarray
    sinco: np.ndarray
    mask: np.ndarray
    codecs: dict[str, np.ndarray]
    masks: dict[tuple[str, str], np.ndarray]
    comparison: str


class Run:
    """One experiment of a folder: `sb.run(...)` gives one, and `sb.open(folder)`.

    Tables are DataFrames whose columns docs/python.md lists with units. Every number is read from
    the folder's store, where each was measured on a decoded file. Use `close()` or `with` to let
    go of the store.
    """

    def __init__(
        self,
        folder: Path | str,
        experiment: str | None = None,
        *,
        everything: bool = False,
        only: Only | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._only, self._everything = only, everything
        self.store = Store(self.folder, create=False)
        try:
            self.view = Scored(self.store, experiment=experiment, everything=everything, only=only)
            self._check_rows()
        except BaseException:
            self.store.close()
            raise

    def _check_rows(self) -> None:
        if self.view.rows:
            return
        names = [experiment.name for experiment in self.store.experiments.all()]
        if self._only is not None and self.store.count():
            raise InputError(
                f"a part of the run in {self.folder}", "no cell is left of it", "other filters"
            )
        raise InputError(
            f"the stored run in {self.folder}",
            "its store has no cells" if not names else "this experiment has no cells there",
            call("run", out=str(self.folder)),
        )

    @property
    def experiment(self) -> Experiment | None:
        """Which experiment this is: its name, status and record; None in a store without any."""
        return self.view.experiment

    @property
    def name(self) -> str:
        """The experiment's name; "" where the store has none."""
        return self.experiment.name if self.experiment else ""

    @property
    def record(self) -> dict[str, Any]:
        """What the experiment was asked for and made with, as in run.json."""
        return self.view.run

    @cached_property
    def networks(self) -> tuple[list[Network], list[str]]:
        """The networks that read this run, loaded, and a sentence on each that is gone."""
        return networks_of(self.record)

    @property
    def images(self) -> list[str]:
        """The ids of all images, sorted."""
        return sorted({row.facts["sample_id"] for row in self.view.rows})

    @property
    def failed(self) -> int:
        """How many cells have no usable file."""
        return sum(row.status != "ok" for row in self.view.rows)

    @cached_property
    def _lines(self) -> list[Line]:
        found = []
        for comparison in compare(self.view):
            found += lines(self.view, comparison)
        return found

    def frame(self) -> pd.DataFrame:
        """All cells, one a row: fits, null twins and codecs' files, failed ones included."""
        return frame(self.view)

    def per_image(self) -> pd.DataFrame:
        """One row an image and comparison: every method's means over seeds, differences, bands and
        verdicts; the worst image first.
        """
        return pd.DataFrame([flat(self.view, line) for line in self._lines])

    def underperformers(self) -> pd.DataFrame:
        """One row an image and metric in which SINCO is worse than its plain twins, worst first."""
        return pd.DataFrame(underperformers(self._lines), columns=list(UNDERPERFORMER_COLUMNS))

    def leaderboard(self) -> pd.DataFrame:
        """One row a method and metric: its place, mean over patients and paired difference to the
        method above it.
        """
        found = []
        for section in sections(self.view):
            for metric in METRICS:
                for rank, place in enumerate(ranking(section, metric), 1):
                    row = {
                        "dataset": section.dataset,
                        "rate": section.rate,
                        "segmenter": section.loss and self.view.name(section.loss),
                        "metric": metric,
                        "rank": rank,
                        "method": place.method.label,
                        "mean": place.mean,
                        "difference_above": place.behind,
                        "low": place.low,
                        "high": place.high,
                        "tied": place.tied,
                        "images": place.images,
                        "bpp": place.method.bpp,
                        "seconds": place.method.seconds,
                        "cells_failed": place.method.failed,
                    }
                    found.append(row)
        return pd.DataFrame(found)

    def image(
        self,
        sample_id: str,
        *,
        inr: str | None = None,
        lam: float | None = None,
        segmenter: str | None = None,
        read: bool = False,
    ) -> Picture:
        """Original, plain fit, SINCO fit, codecs and masks of one image.

        Where the run has several comparisons of that image, `inr`, `lam` and `segmenter` choose;
        the first that fits is shown. read: let the run's networks mark lesions (takes a second or
        more). Raises InputError where there is no such image or fit, or the store was published
        without originals.
        """
        line = self._line(sample_id, inr, lam, segmenter)
        sample = self.store.sample(line.image.sample_hash)
        if sample is None:
            raise InputError(
                f"the image {sample_id} of {self.folder}",
                "this store was published without the originals' pixels",
                "the folder in which it was run",
            )
        sinco, plain = (self._pixels(key) for key in line.image.pairs[0])
        codecs = {}
        for name, key in self._codecs(line).items():
            codecs[name] = _shaped(self._pixels(key), sample.depth)
        pixels = {"original": sample.image, "plain": plain, "sinco": sinco}
        group = line.comparison.group
        return Picture(
            sample.id,
            sample.patient,
            _shaped(sample.image, sample.depth),
            _shaped(plain, sample.depth),
            _shaped(sinco, sample.depth),
            _shaped(sample.mask, sample.depth),
            codecs,
            self._masks(pixels, sample) if read else {},
            f"{group.inr} + {group.segmenter}, lambda {group.lam:g}",
        )

    def _line(
        self, sample_id: str, inr: str | None, lam: float | None, segmenter: str | None
    ) -> Line:
        if sample_id not in self.images:
            raise InputError(
                f"the image {sample_id} of {self.folder}",
                "no such image in this run",
                closest(sample_id, self.images, "run.images"),
            )
        for line in self._lines:
            group = line.comparison.group
            if line.image.sample_id != sample_id or not line.image.pairs:
                continue
            if inr not in (None, group.inr) or segmenter not in (None, group.segmenter):
                continue
            if lam is None or math.isclose(lam, group.lam):
                return line
        raise InputError(
            f"a SINCO fit of {sample_id} with inr={inr}, lam={lam}, segmenter={segmenter}",
            "no such fit ended well, together with its plain twin",
            "other values, or run.frame() to see what there is",
        )

    def _codecs(self, line: Line) -> dict[str, str]:
        """Codec -> the key of its file beside a line's fits."""
        found = peers(self.view, line.image.sample_hash, line.comparison.group)
        return {codec: keys[0] for codec, keys in found.items()}

    def _pixels(self, key: str) -> np.ndarray:
        row = self.view.by_key[key]
        image: np.ndarray = decode_as(self.view.data(key), row.facts.get("codec")).image
        return image

    def _masks(
        self, pixels: dict[str, np.ndarray], sample: Sample
    ) -> dict[tuple[str, str], np.ndarray]:
        """The masks that the run's networks read."""
        masks = {}
        for network in self.networks[0]:
            if isinstance(network, LabelNetwork):
                continue
            for what, image in pixels.items():
                stacked = np.ascontiguousarray(image[None])
                read = network.segment_planes(stacked, [sample.volume], sample.depth)[0]
                masks[what, self.view.name(network.hash)] = _shaped(read >= 0.5, sample.depth)
        return masks

    def report(self, folder: Path | str | None = None) -> list[Path]:
        """Write leaderboard, tables and pictures (default: into the run's own folder); returns
        their paths.
        """
        segment, describe = {}, {}
        for network in self.networks[0]:
            if isinstance(network, LabelNetwork):
                describe[network.hash] = network.describe
            else:
                segment[network.hash] = network.segment_planes
        out = self.folder if folder is None else Path(folder)
        return write_report(self.view, out, segment=segment, describe=describe)

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"Run({str(self.folder)!r}, {self.name!r}): {len(self.images)} images,"
            f" {len(self.view.rows)} cells, {self.failed} failed"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: a sentence, and the images on which SINCO is worst."""
        table = self.per_image()
        wanted = ["sample_id", "inr", "segmenter", "lambda", "seeds"]
        for metric in METRICS:
            wanted += [f"plain_{metric}", f"sinco_{metric}", f"{metric}_difference"]
            wanted.append(f"{metric}_verdict")
        shown = table[[name for name in wanted if name in table]].head(SHOWN)
        heading = f"<p><b>{html.escape(repr(self))}</b></p>"
        return heading + str(shown.to_html(index=False, float_format="%.3f", na_rep="-"))


def _shaped(stacked: np.ndarray, depth: int) -> np.ndarray:
    """An image as it is; a volume with its planes along the first axis."""
    return stacked if depth == 1 else planes(stacked, depth)
