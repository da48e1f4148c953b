"""Runs a job: fits what is missing in batches, writes bytes, decodes them, scores what was decoded,
stores it.

Bytes are the only way from fit to score: `Scorer` is given rows and nothing of the fitted model.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from benchmark.clock import Clock
from benchmark.errors import CellFailed, InputError, as_options
from benchmark.fit.engine import Member, check_kernel, fit
from benchmark.fit.kernels import worth_compiling
from benchmark.fit.memory import images_at_once
from benchmark.listener import Listener
from benchmark.networks.network import LabelNetwork, Network, load_network
from benchmark.plan.cells import Cell, batches
from benchmark.plan.job import Job, unreadable_key
from benchmark.plan.samples import check_sample, reader_of
from benchmark.plugins import index
from benchmark.runner.failures import no_exit, reason_of
from benchmark.runner.rate import PILOTS, Sized, settle
from benchmark.runner.rows import facts_of, failed_row, fit_row
from benchmark.runner.scorer import Scorer
from benchmark.store.store import Row, Store
from benchmark.types import Sample

RESTARTS = 3


class Runner:
    """One job on one store and device."""

    def __init__(
        self,
        job: Job,
        store: Store,
        progress: Listener,
        *,
        device: str,
        batch: int | None = None,
        fresh: bool = False,
        kernel: str = "auto",
    ) -> None:
        self.job, self.store, self.progress = job, store, progress
        self.device, self.batch, self.fresh, self.kernel = device, batch, fresh, kernel
        self.clock = Clock()  # what `profile` reads
        self.restarts: dict[str, int] = (
            store.recall("runs", "restarts") or {}
        )  # family -> how often its fits were started again
        self.networks: dict[tuple[str, str], Network] = {}
        self.sized: dict[tuple[Any, ...], Sized] = {}
        self._pilot_samples: dict[tuple[tuple[int, ...], int], list[Sample]] = {}
        self.scorer = Scorer(job, self._network, self.clock)

    def run(self) -> None:
        """Do all that is missing; what is finished is stored as soon as its batch ends.

        Raises InputError before the first fit where a reader cannot be loaded, or a backbone not
        made or not meet the rate.
        """
        self.store.add_samples(self.job.samples.values(), self.job.dataset_options)
        self.store.remove(
            unreadable_key(sample.dataset, sample.id) for sample in self.job.samples.values()
        )  # mended since then
        self.store.add(
            [self._unreadable(sample_id, why) for sample_id, why in self.job.unreadable.items()]
        )
        statuses = self.store.statuses(cell.key for cell in self.job.cells)
        uneven = self._uneven()
        todo = [
            cell
            for cell in self.job.cells
            if self.fresh or statuses.get(cell.key, "failed") == "failed" or cell.key in uneven
        ]
        for note in self.job.notes:
            self.progress.say(note)
        self.progress.plan(batches(todo, max(1, len(todo))), len(self.job.cells) - len(todo))
        for checkpoint in self.job.readers if todo else ():
            self._network(checkpoint)
        for name in sorted({cell.inr.name for cell in todo if cell.codec is None}):
            check_kernel(self.kernel, name, self.device)
        if self.kernel == "auto" and not worth_compiling(
            sum(_work(cell) for cell in todo if cell.codec is None)
        ):
            self.kernel = "torch"
        for cell in todo:
            self._settle(cell)
        self.fit_all(todo)
        self._restart()
        peers = [cell for cell in todo if cell.codec is not None]
        for group in _groups_of(peers, self._files_at_once()):
            self.encode_peers(group)
        self._rescore()

    def batches(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """The fits among cells, in batches of as many as are fitted at once."""
        return batches(cells, self.batch or self._at_once(cells))

    def segments(self) -> dict[str, Any]:
        """Reader hash -> what gives its probabilities, for the contours in pictures."""
        return {
            reader.hash: self._network(reader).segment_planes
            for reader in self.job.readers
            if reader.task == "mask"
        }

    def descriptions(self) -> dict[str, Any]:
        """Hash of a reader of labels -> what says its answer, for the captions of pictures."""
        networks = [self._network(reader) for reader in self.job.readers]
        return {
            network.hash: network.describe
            for network in networks
            if isinstance(network, LabelNetwork)
        }

    def _files_at_once(self) -> int:
        """Decoded and scored together: 64 slices, or volumes of about as many planes."""
        return max(1, 64 // max((sample.depth for sample in self.job.samples.values()), default=1))

    # --- fits

    def _fit(self, batch: Sequence[Cell]) -> list[Row]:
        """Fit one batch and write its files; whatever goes wrong becomes rows that say so."""
        first = batch[0]
        samples = [self.job.samples[cell.sample_hash] for cell in batch]
        sized = self._settle(first)
        try:
            penalty = None
            if first.lam > 0:
                assert first.regularizer is not None
                make = (
                    index.get("regularizer", first.regularizer.name)
                    .load()(**dict(first.regularizer.args))
                    .make
                )
                penalty = make(
                    samples,
                    self._network(self.job.segmenter_of(first), first.precision).planes(
                        first.depth
                    ),
                )
            members = [
                Member(
                    sample, cell.seed, cell.lam, cell.null, 0.5 ** self.restarts.get(cell.family, 0)
                )
                for cell, sample in zip(batch, samples, strict=True)
            ]
            with self.clock.part("fit"):
                fitted = fit(
                    sized.inr,
                    members,
                    first.recipe,
                    fidelity=first.fidelity,
                    penalty=penalty,
                    device=self.device,
                    kernel=self.kernel,
                    on_step=lambda step, psnr_db: self.progress.step(batch, step, psnr_db),
                    init=self.job.inits[first.init].state if first.init else None,
                )
            self.clock.split("fit", fitted.spent)
        except (Exception, SystemExit) as error:
            # A plug-in may raise anything, or leave: its cells fail, the other batches go on.
            reason = reason_of(error, f"a batch of {len(batch)} fits of {first.inr.name}")
            return [failed_row(cell, sized, reason) for cell in batch]
        with self.clock.part("encode"):
            return [
                fit_row(
                    cell,
                    sample,
                    sized,
                    fitted,
                    k,
                    device=self.device,
                    restarts=self.restarts.get(cell.family, 0),
                )
                for k, (cell, sample) in enumerate(zip(batch, samples, strict=True))
            ]

    def _restart(self) -> None:
        """Fit again, at half the rate, what went wrong and all that it is compared with; each at
        most RESTARTS times.
        """
        fits = {cell.key: cell for cell in self.job.fits}
        for _ in range(RESTARTS):
            diverged = [
                key for key, status in self.store.statuses(fits).items() if status == "diverged"
            ]
            # A row of an earlier attempt says nothing about this one.
            wrong = {
                fits[row.key].family
                for row in self.store.each_row(diverged, data=False)
                if row.facts.get("restarts", 0)
                == self.restarts.get(fits[row.key].family, 0)
                < RESTARTS
            }
            if not wrong:
                return
            counts = {family: self.restarts.get(family, 0) + 1 for family in wrong}
            self.restarts = (self.store.recall("runs", "restarts") or {}) | self.restarts | counts
            self.store.remember("runs", "restarts", self.restarts)
            again = [cell for cell in fits.values() if cell.family in wrong]
            self.progress.say(
                f"gone wrong: {len(wrong)} of the fits; they and their twins start again at half"
                " the learning rate"
            )
            self.progress.more(batches(again, max(1, len(again))))
            self.fit_all(again)

    def _uneven(self) -> set[str]:
        """Keys of stored fits whose family has started again without them: a restart that was
        interrupted, or for another lambda.
        """
        suspects = {
            cell.key: cell.family for cell in self.job.fits if self.restarts.get(cell.family)
        }
        return {
            row.key
            for row in self.store.each_row(list(suspects), data=False)
            if row.facts.get("restarts", 0) != self.restarts[suspects[row.key]]
        }

    def fit_all(self, cells: Sequence[Cell]) -> None:
        """Fit, encode, decode, score and store cells, batch by batch."""
        for batch in self.batches(cells):
            start = time.perf_counter()
            self._keep(self._fit(batch))
            self.progress.done(batch, time.perf_counter() - start)

    def _unreadable(self, sample_id: str, why: str) -> Row:
        return Row(
            unreadable_key(self.job.dataset_name, sample_id),
            "failed",
            as_options(why),  # rows say it as the command does, whoever made them
            "",
            {
                "dataset": self.job.dataset_name,
                "sample_id": sample_id,
                "patient": sample_id,
                "method": "unreadable",
            },
        )

    def _at_once(self, cells: Sequence[Cell]) -> int:
        kinds = {
            (
                cell.shape,
                self._settle(cell).inr,
                cell.depth,
                *((cell.segmenter_hash, cell.precision) if cell.lam > 0 else ()),
            ): cell
            for cell in cells
            if cell.codec is None
        }
        return min(
            (
                images_at_once(
                    cell.shape,
                    self._settle(cell).inr,
                    self.device,
                    (
                        self._network(self.job.segmenter_of(cell), cell.precision)
                        if cell.lam > 0
                        else None
                    ),
                    cell.depth,
                )
                for cell in kinds.values()
            ),
            default=1,
        )

    def _settle(self, cell: Cell) -> Sized:
        if (name := cell.size_key) not in self.sized:
            with self.clock.part("rate search"), no_exit("inr", cell.inr.name):
                self.sized[name] = settle(
                    cell,
                    self.job.samples[cell.sample_hash],
                    lambda: self._pilots(cell.shape, cell.depth),
                    self.store,
                    device=self.device,
                    kernel=self.kernel,
                    say=self.progress.say,
                )
        return self.sized[name]

    def _pilots(self, shape: tuple[int, ...], depth: int) -> list[Sample]:
        """Images of the train split, so that no scored image helps to choose its own rate; with a
        lesion where scored ones have one.
        """
        alike = (shape, depth)
        if alike not in self._pilot_samples:
            found = list(
                islice(
                    (
                        sample
                        for sample in self._train()
                        if (sample.image.shape, sample.depth) == alike
                    ),
                    PILOTS,
                )
            )
            if not found:
                self.progress.say(
                    "the train split has no such image: size and bit width are chosen on the images"
                    " that are scored"
                )
                found = [
                    sample
                    for sample in self.job.samples.values()
                    if (sample.image.shape, sample.depth) == alike
                ][:PILOTS]
            self._pilot_samples[alike] = found
        return self._pilot_samples[alike]

    def _train(self) -> Iterator[Sample]:
        """Usable training images that are not scored in this run; with a lesion, unless those that
        are have none.
        """
        dims, lesions = (
            self.job.selection.dims,
            any(sample.has_lesion for sample in self.job.samples.values()),
        )
        ids, load = reader_of(self.job.dataset, dims)
        for sample_id in ids("train"):
            try:
                sample = load(sample_id)
                check_sample(sample, dims)
            except InputError:  # not selected by anyone: the next one will do
                continue
            if (sample.has_lesion or not lesions) and sample.hash not in self.job.samples:
                yield sample

    def _network(self, checkpoint: Any, precision: str = "float32") -> Network:
        name = (checkpoint.hash, precision)
        if name not in self.networks:
            with self.clock.part("load networks"), no_exit("segmenter", checkpoint.name):
                self.networks[name] = load_network(
                    checkpoint, device=self.device, precision=precision
                )
        return self.networks[name]

    # --- peers

    def encode_peers(self, cells: Sequence[Cell]) -> None:
        """Encode, decode, score and store the files of classical codecs."""
        with self.clock.part("encode"):
            rows = [self._encode_peer(cell) for cell in cells]
        self._keep(rows)

    def _encode_peer(self, cell: Cell) -> Row:
        """A classical codec's file of the same bytes as the backbone's plain fit of that image."""
        assert cell.codec is not None
        sized = self._settle(cell)
        sample = self.job.samples[cell.sample_hash]
        start = time.perf_counter()
        try:
            data = (
                index.get("codec", cell.codec.name)
                .load()(**dict(cell.codec.args))
                .encode(sample, sized.bytes)
            )
        except CellFailed as error:
            return failed_row(cell, sized, error.found)
        except (Exception, SystemExit) as error:  # as with backbones
            return failed_row(cell, sized, reason_of(error, f"encoding by {cell.codec.name}"))
        seconds = time.perf_counter() - start
        return Row(
            cell.key,
            "ok",
            "",
            cell.sample_hash,
            facts_of(cell, sized)
            | {
                "bpp": 8 * len(data) / (sample.image.shape[0] * sample.image.shape[1]),
                "bpp_allowed": 8 * sized.bytes / (sample.image.shape[0] * sample.image.shape[1]),
                "fit_seconds": seconds,
                "encode_seconds": 0.0,
            },
            data,
        )

    # --- scores

    def _rescore(self) -> None:
        """Score stored bytes with readers and metrics that they have no scores of; nothing is
        fitted again.
        """
        alike: dict[tuple[tuple[str, str, str, str], ...], list[str]] = defaultdict(
            list
        )  # keys by what they must have
        marks = {
            hash_: tuple(self.scorer.marks(sample)) for hash_, sample in self.job.samples.items()
        }
        for cell in self.job.cells:
            alike[marks[cell.sample_hash]].append(cell.key)
        wanted = [key for due, keys in alike.items() for key in self.store.unscored(keys, due)]
        if wanted:
            self.progress.say(f"scoring {len(wanted)} stored files")
        for group in _groups_of(wanted, self._files_at_once()):
            self._keep(self.store.rows(group), anew=False)

    def _keep(self, rows: Sequence[Row], *, anew: bool = True) -> None:
        """Store rows with their scores. anew: the rows' files are new, so scores of earlier ones
        go.

        A network that leaves the program while it reads new files makes their rows failed ones;
        stored files stay as they are, and it is an InputError.
        """
        try:
            scores = self.scorer.score(rows)
        except SystemExit as error:
            reason = f"its file cannot be read: {reason_of(error, f'scoring {len(rows)} files')}"
            if not anew:
                raise InputError(
                    "to score stored files", reason, "mend the network's file"
                ) from error
            rows, scores = [_failed(row, reason) for row in rows], []
        with self.clock.part("store"):
            self.store.add(rows, scores, anew=anew)


def _failed(row: Row, reason: str) -> Row:
    """A row whose file could not be scored; one that failed before keeps its own reason."""
    if row.status == "failed":
        return row
    return replace(row, status="failed", reason=reason, data=None)


def _work(cell: Cell) -> float:
    """Steps x pixels x parameters of a fit, about: its size may not be settled yet."""
    pixels = cell.shape[0] * cell.shape[1]
    return cell.recipe.steps * pixels * (cell.rate.bpp or 0.6) * pixels / 10


def _groups_of(items: Sequence[Any], count: int) -> list[Sequence[Any]]:
    return [items[i : i + count] for i in range(0, len(items), count)]
