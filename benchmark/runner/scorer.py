"""From the bytes of stored rows to their scores; the fitted model is never seen here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmark.bitstream import decode
from benchmark.clock import Clock
from benchmark.errors import BenchmarkError
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.network import Network
from benchmark.plan.job import Job
from benchmark.plugins import index
from benchmark.plugins.contracts import Decoded
from benchmark.runner.failures import reason_of
from benchmark.score.metrics import (
    image_scores,
    label_scores,
    plane_reader_scores,
    plane_scores,
    reader_scores,
)
from benchmark.store.store import SCORE_AS, Row, Score
from benchmark.types import IMAGE_METRICS, Sample


class Scorer:
    """Decodes the files of one job and scores them, with every reader of the job. network: gives a
    reader's network.
    """

    def __init__(self, job: Job, network: Callable[[Checkpoint], Network], clock: Clock) -> None:
        self.job, self.network, self.clock = job, network, clock
        # (reader, sample) -> what it reads in the original
        self.originals: dict[tuple[str, str], np.ndarray] = {}

    def marks(self, sample: Sample) -> Iterator[tuple[str, str, str, str]]:
        """(SCORE_AS, reader, its hash, metric) of scores that every file of a sample has once it
        was scored.
        """
        for metric in IMAGE_METRICS:
            yield SCORE_AS, "", "", metric
        for reader in self.job.readers:
            if reader.task == "label":
                metric = "label_right" if sample.label in reader.classes else "kl"
            else:
                metric = "dice" if sample.has_lesion else "fp_area_px"
            yield SCORE_AS, reader.name, reader.hash, metric

    def score(self, rows: Sequence[Row]) -> list[Score]:
        """All scores of rows, from their decoded files; a file that cannot be decoded makes its row
        a failed one.
        """
        read: list[Row] = []
        decoded: list[Decoded] = []
        for row in rows:
            if row.data is None:
                continue
            try:
                with self.clock.part("decode"):
                    decoded.append(self._decode(row))
                    read.append(row)
            except (Exception, SystemExit) as error:  # a plug-in may raise anything, or leave
                _fail(row, error)
        with self.clock.part("score: metrics"):
            return self._scores(read, decoded)

    def _scores(self, rows: Sequence[Row], decoded: Sequence[Decoded]) -> list[Score]:
        scores: list[Score] = []
        images = [one.image for one in decoded]
        for row, image in zip(rows, images, strict=True):
            sample = self.job.samples[row.sample_hash]
            values = image_scores(sample.image, image, sample.brain, sample.depth)
            values |= plane_scores(sample.image, image, sample.depth)
            for metric, value in values.items():
                scores.append(Score(row.key, metric, value))
        for checkpoint in self.job.readers:
            scores += self._scores_by(checkpoint, rows, decoded)
        return scores

    def _scores_by(
        self, checkpoint: Checkpoint, rows: Sequence[Row], decoded: Sequence[Decoded]
    ) -> list[Score]:
        """What one reader says to decoded images."""
        scores = []
        found = self._read(checkpoint, rows, [one.image for one in decoded])
        for row, seen, file in zip(rows, found, decoded, strict=True):
            sample = self.job.samples[row.sample_hash]
            on_original = self._original(checkpoint, sample)
            if checkpoint.task == "label":
                values = label_scores(seen, on_original, checkpoint.classes, sample.label)
            else:
                mask = seen if file.mask is None else file.mask
                values = reader_scores(mask, on_original, sample)
                values |= plane_reader_scores(mask, on_original, sample)
            for metric, value in values.items():
                scores.append(Score(row.key, metric, value, checkpoint.name, checkpoint.hash))
        return scores

    @staticmethod
    def _decode(row: Row) -> Decoded:
        assert row.data is not None
        codec = row.facts["codec"]
        if codec is None:
            return decode(row.data)
        decoded: Decoded = index.get("codec", codec).load()().decode(row.data)
        return decoded

    def _read(
        self, checkpoint: Checkpoint, rows: Sequence[Row], images: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """The reader's masks of decoded images, or its answers; images of one shape at once."""
        groups: dict[tuple[tuple[int, ...], int], list[int]] = defaultdict(list)
        for i, (row, image) in enumerate(zip(rows, images, strict=True)):
            groups[image.shape, self.job.samples[row.sample_hash].depth].append(i)
        out: dict[int, np.ndarray] = {}
        for (_, depth), members in groups.items():
            volumes = [self.job.samples[rows[i].sample_hash].volume for i in members]
            stacked = np.stack([images[i] for i in members])
            with self.clock.part("score: readers"):
                seen = self.network(checkpoint).planes(depth).see(stacked, volumes)
            out.update(zip(members, seen, strict=True))
        return [out[i] for i in range(len(images))]

    def _original(self, checkpoint: Checkpoint, sample: Sample) -> np.ndarray:
        name = (checkpoint.hash, sample.hash)
        if name not in self.originals:
            with self.clock.part("read originals"):
                network = self.network(checkpoint).planes(sample.depth)
                self.originals[name] = network.see(sample.image[None], [sample.volume])[0]
        return self.originals[name]


def _fail(row: Row, error: BaseException) -> None:
    """Make a row a failed one whose file cannot be decoded."""
    if isinstance(error, BenchmarkError):
        why: str = error.found
    else:
        why = reason_of(error, "decoding a file")
    row.status = "failed"
    row.reason = f"its file cannot be decoded: {why}"
    row.data = None
