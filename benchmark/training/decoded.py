"""Training images as a decoder returns them: a network that never saw compression is a confounder.

A codec's images are kept with the prepared ones. An INR's are plain fits of the preset `quick`,
kept in a store of their own, so that what was fitted before is not fitted again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmark.errors import CellFailed, InputError, did_you_mean, field
from benchmark.folders import cache_folder
from benchmark.images.cache import prepared
from benchmark.listener import Fit, Quiet
from benchmark.plan.cells import Cell, Rate
from benchmark.plan.recipes import preset, recipe_for
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import Sample, extent

Told = Callable[[str, int, int], None]  # (what, how many are done, of how many)


@dataclass(frozen=True)
class Compressor:
    """A codec or a backbone at a rate; `of(name)` finds it by name."""

    choice: Choice
    bpp: float

    @classmethod
    def of(cls, name: str, bpp: float, args: dict[str, Any]) -> Compressor:
        kind = kind_of(name)
        size = index.get("inr", name).declared["size"] if kind == "inr" else None
        if size:
            args = {size: ...} | args  # the rate decides a size that is left open
        return cls(Choice.of(kind, name, **args), bpp)

    def text(self) -> str:
        """What a resumed training must agree with."""
        return f"{self.choice.name} {dict(self.choice.args)} {self.choice.source}"

    def decoded(
        self, samples: Sequence[Sample], dataset: Any, device: str, told: Told
    ) -> list[Sample]:
        """Each sample with the decoded image in place of its own; raises InputError where one
        cannot be compressed so far.
        """
        if samples[0].depth > 1:
            raise InputError(
                f"{field('train_on', 'compressed')} with a network that reads volumes",
                "only slices are compressed for training",
                field("train_on", "original"),
            )
        if self.choice.kind != "codec":
            return self._by_inr(samples, dataset, device, told)
        decoded = []
        for number, sample in enumerate(samples, 1):
            decoded.append(self._by_codec(sample))
            told("compressing", number, len(samples))
        return decoded

    def _by_codec(self, sample: Sample) -> Sample:
        codec = index.get("codec", self.choice.name).load()(**dict(self.choice.args))
        height, width, _ = sample.image.shape

        def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
            data = codec.encode(sample, int(self.bpp * height * width / 8))
            return {"image": codec.decode(data).image}, {"bytes": len(data)}

        try:
            arrays, _ = prepared({"decoded": sample.hash, "by": self.text(), "bpp": self.bpp}, make)
        except CellFailed as error:
            raise self._failed(sample, error.found) from error
        return replace(sample, image=arrays["image"])

    def _by_inr(
        self, samples: Sequence[Sample], dataset: Any, device: str, told: Told
    ) -> list[Sample]:
        from benchmark.bitstream import decode
        from benchmark.plan.job import Job
        from benchmark.plan.selection import Selection
        from benchmark.runner.run import Runner
        from benchmark.store.store import Store

        own = {sample.hash: sample for sample in samples}
        cells = [self._cell(sample) for sample in own.values()]
        selection = Selection(
            inr=(self.choice.name,),
            lam=(0.0,),
            dataset=samples[0].dataset,
            split="train",
            bpp=self.bpp,
        )
        job = Job(selection, dataset, samples[0].dataset, own, {}, [], [], cells)
        with Store(cache_folder() / "decoded") as store:
            try:
                Runner(job, store, _Progress(told), device=device).run()
            except InputError as error:  # no size of the backbone is small enough
                todo = error.todo.marked.replace('"bpp"', '"train_bpp"')  # the field of a mention
                raise InputError(error.asked, error.found, todo) from None
            images = {}
            for row in store.each_row([cell.key for cell in cells]):
                if row.status != "ok" or row.data is None:
                    raise self._failed(own[row.sample_hash], row.reason)
                images[row.sample_hash] = decode(row.data).image
        return [replace(sample, image=images[sample.hash]) for sample in samples]

    def _cell(self, sample: Sample) -> Cell:
        """A plain fit, as `run --preset quick --lambda 0` would make it."""
        recipe = recipe_for(
            index.get("inr", self.choice.name), preset("quick"), dict(self.choice.args)
        )
        optimizer = Choice.of("optimizer", recipe.optimizer)
        recipe = replace(recipe, optimizer_args=optimizer.args, optimizer_source=optimizer.source)
        return Cell(
            sample.dataset,
            sample.id,
            sample.patient,
            sample.hash,
            self.choice,
            Rate(self.bpp),
            recipe,
            shape=sample.image.shape,
        )

    def _failed(self, sample: Sample, why: str) -> InputError:
        return InputError(
            f"the image {sample.id} ({extent(sample.image.shape, 1)}) by {self.choice.name} at"
            f" {self.bpp:g} bpp",
            why,
            f"a higher {field('train_bpp')}, or another {field('compressor')}",
        )


def kind_of(name: str) -> str:
    """codec or inr; raises InputError where neither has that name."""
    for kind in ("codec", "inr"):
        if name in index.entries(kind):
            return kind
    raise InputError(
        field("compressor", name),
        "no codec and no backbone of that name",
        did_you_mean(name, [*index.entries("codec"), *index.entries("inr")]),
    )


class _Progress(Quiet):
    """What a run tells, as counts of images."""

    def __init__(self, told: Told) -> None:
        self.told, self.done_, self.count = told, 0, 0

    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None:
        self.more(batches)

    def more(self, batches: Sequence[Sequence[Fit]]) -> None:
        self.count += sum(map(len, batches))

    def done(self, batch: Sequence[Fit], seconds: float) -> None:
        self.done_ += len(batch)
        self.told("compressing", self.done_, self.count)
