"""Pilots: the images that a size and a bit width are chosen on, before anything is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from benchmark.errors import InputError
from benchmark.plan.job import Job
from benchmark.plan.samples import check_sample, reader_of
from benchmark.runner.rate import PILOTS
from benchmark.types import Sample


class Pilots:
    """Those of one job, found once for each shape."""

    def __init__(self, job: Job, say: Callable[[str], None]) -> None:
        self.job, self.say = job, say
        self._found: dict[tuple[tuple[int, ...], int], list[Sample]] = {}

    def alike(self, shape: tuple[int, ...], depth: int) -> list[Sample]:
        """Images of the train split, so that no scored image helps to choose its own rate; with a
        lesion where scored ones have one.
        """
        kind = (shape, depth)
        if kind not in self._found:
            found = _first(self._train(), shape, depth)
            if not found:
                self.say(
                    "the train split has no such image: size and bit width are chosen on the images"
                    " that are scored"
                )
                found = _first(iter(self.job.samples.values()), shape, depth)
            self._found[kind] = found
        return self._found[kind]

    def _train(self) -> Iterator[Sample]:
        """Usable training images that are not scored in this run; with a lesion, unless those that
        are have none.
        """
        dims = self.job.selection.dims
        lesions = any(sample.has_lesion for sample in self.job.samples.values())
        ids, load = reader_of(self.job.dataset, dims)
        for sample_id in ids("train"):
            try:
                sample = load(sample_id)
                check_sample(sample, dims)
            except InputError:  # not selected by anyone: the next one will do
                continue
            if (sample.has_lesion or not lesions) and sample.hash not in self.job.samples:
                yield sample


def _first(samples: Iterator[Sample], shape: tuple[int, ...], depth: int) -> list[Sample]:
    """The first few images of that shape; no more are read than that takes."""
    alike = (one for one in samples if (one.image.shape, one.depth) == (shape, depth))
    return list(islice(alike, PILOTS))
