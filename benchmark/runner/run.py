"""Runs a job: fits what is missing in batches, writes bytes, decodes them, scores what was decoded,
stores it.

Bytes are the only way from fit to score: `Scorer` is given rows and nothing of the fitted model.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmark.clock import Clock
from benchmark.errors import CellFailed, InputError, as_options
from benchmark.fit.engine import Member, check_kernel, fit
from benchmark.fit.kernels import worth_compiling
from benchmark.fit.memory import images_at_once
from benchmark.listener import Listener
from benchmark.networks.network import LabelNetwork, Network, load_network
from benchmark.plan.basis import basis, kernels_said
from benchmark.plan.cells import Cell, batches
from benchmark.plan.job import Job, unreadable_key
from benchmark.plugins import index
from benchmark.runner.failures import no_exit, reason_of
from benchmark.runner.pilots import Pilots
from benchmark.runner.rate import Sized, settle
from benchmark.runner.rows import facts_of, failed_row, fit_row
from benchmark.runner.scorer import Scorer
from benchmark.store.store import Row, Store

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
        # family -> how often its fits were started again
        self.restarts: dict[str, int] = store.recall("runs", "restarts") or {}
        self.networks: dict[tuple[str, str], Network] = {}
        self.sized: dict[tuple[Any, ...], Sized] = {}
        self.pilots = Pilots(job, progress.say)
        self.scorer = Scorer(job, self._network, self.clock)

    def run(self) -> None:
        """Do all that is missing; what is finished is stored as soon as its batch ends.

        Raises InputError before the first fit where a reader cannot be loaded, or a backbone not
        made or not meet the rate.
        """
        self.store.add_samples(self.job.samples.values(), self.job.dataset_options)
        self._note_unreadable()
        todo = self._todo()
        for note in self.job.notes:
            self.progress.say(note)
        self.progress.plan(batches(todo, max(1, len(todo))), len(self.job.cells) - len(todo))
        for checkpoint in self.job.readers if todo else ():
            self._network(checkpoint)
        for name in sorted({cell.inr.name for cell in todo if cell.codec is None}):
            check_kernel(self.kernel, name, self.device)
        asked = self.kernel
        work = sum(_work(cell) for cell in todo if cell.codec is None)
        if self.kernel == "auto" and not worth_compiling(work):
            self.kernel = "torch"
        if todo:
            self.progress.say(basis(self.job, self.device, kernels_said(asked, self.kernel)))
        for cell in todo:
            self._settle(cell)
        self.fit_all(todo)
        self._restart()
        peers = [cell for cell in todo if cell.codec is not None]
        for group in _groups_of(peers, self._files_at_once()):
            self.encode_peers(group)
        self._rescore()

    def _note_unreadable(self) -> None:
        """Store a row for each image that cannot be read, and take out those of mended ones."""
        mended = []
        for sample in self.job.samples.values():
            mended.append(unreadable_key(sample.dataset, sample.id))
        self.store.remove(mended)
        rows = []
        for sample_id, why in self.job.unreadable.items():
            rows.append(self._unreadable(sample_id, why))
        self.store.add(rows)

    def _todo(self) -> list[Cell]:
        """The cells that are not finished, or all where everything is done afresh."""
        statuses = self.store.statuses(cell.key for cell in self.job.cells)
        uneven = self._uneven()
        todo = []
        for cell in self.job.cells:
            failed = statuses.get(cell.key, "failed") == "failed"
            if self.fresh or failed or cell.key in uneven:
                todo.append(cell)
        return todo

    def batches(self, cells: Sequence[Cell]) -> list[list[Cell]]:
        """The fits among cells, in batches of as many as are fitted at once."""
        return batches(cells, self.batch or self._at_once(cells))

    def segments(self) -> dict[str, Any]:
        """Reader hash -> what gives its probabilities, for the contours in pictures."""
        found = {}
        for reader in self.job.readers:
            if reader.task == "mask":
                found[reader.hash] = self._network(reader).segment_planes
        return found

    def descriptions(self) -> dict[str, Any]:
        """Hash of a reader of labels -> what says its answer, for the captions of pictures."""
        found = {}
        for reader in self.job.readers:
            network = self._network(reader)
            if isinstance(network, LabelNetwork):
                found[network.hash] = network.describe
        return found

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
                regularizer = index.get("regularizer", first.regularizer.name).load()
                network = self._network(self.job.segmenter_of(first), first.precision)
                make = regularizer(**dict(first.regularizer.args)).make
                penalty = make(samples, network.planes(first.depth))
            members = []
            for cell, sample in zip(batch, samples, strict=True):
                rate = 0.5 ** self.restarts.get(cell.family, 0)
                members.append(Member(sample, cell.seed, cell.lam, cell.null, rate))
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
            rows = []
            for k, (cell, sample) in enumerate(zip(batch, samples, strict=True)):
                restarts = self.restarts.get(cell.family, 0)
                row = fit_row(cell, sample, sized, fitted, k, device=self.device, restarts=restarts)
                rows.append(row)
            return rows

    def _restart(self) -> None:
        """Fit again, at half the rate, what went wrong and all that it is compared with; each at
        most RESTARTS times.
        """
        fits = {cell.key: cell for cell in self.job.fits}
        for _ in range(RESTARTS):
            wrong = self._gone_wrong(fits)
            if not wrong:
                return
            counts = {}
            for family in wrong:
                counts[family] = self.restarts.get(family, 0) + 1
            self.restarts = (self.store.recall("runs", "restarts") or {}) | self.restarts | counts
            self.store.remember("runs", "restarts", self.restarts)
            again = [cell for cell in fits.values() if cell.family in wrong]
            self.progress.say(
                f"gone wrong: {len(wrong)} of the fits; they and their twins start again at half"
                " the learning rate"
            )
            self.progress.more(batches(again, max(1, len(again))))
            self.fit_all(again)

    def _gone_wrong(self, fits: dict[str, Cell]) -> set[str]:
        """Families of fits, by key, that diverged and may start again."""
        diverged = []
        for key, status in self.store.statuses(fits).items():
            if status == "diverged":
                diverged.append(key)
        wrong = set()
        for row in self.store.each_row(diverged, data=False):
            family = fits[row.key].family
            restarts = self.restarts.get(family, 0)
            # A row of an earlier attempt says nothing about this one.
            if row.facts.get("restarts", 0) == restarts < RESTARTS:
                wrong.add(family)
        return wrong

    def _uneven(self) -> set[str]:
        """Keys of stored fits whose family has started again without them: a restart that was
        interrupted, or for another lambda.
        """
        suspects = {}
        for cell in self.job.fits:
            if self.restarts.get(cell.family):
                suspects[cell.key] = cell.family
        uneven = set()
        for row in self.store.each_row(list(suspects), data=False):
            if row.facts.get("restarts", 0) != self.restarts[suspects[row.key]]:
                uneven.add(row.key)
        return uneven

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
        kinds = {}
        for cell in cells:
            if cell.codec is None:
                kind: tuple[Any, ...] = (cell.shape, self._settle(cell).inr, cell.depth)
                if cell.lam > 0:
                    kind += (cell.segmenter_hash, cell.precision)
                kinds[kind] = cell
        counts = []
        for cell in kinds.values():
            network = None
            if cell.lam > 0:
                network = self._network(self.job.segmenter_of(cell), cell.precision)
            inr = self._settle(cell).inr
            counts.append(images_at_once(cell.shape, inr, self.device, network, cell.depth))
        return min(counts, default=1)

    def _settle(self, cell: Cell) -> Sized:
        if (name := cell.size_key) not in self.sized:
            with self.clock.part("rate search"), no_exit("inr", cell.inr.name):
                self.sized[name] = settle(
                    cell,
                    self.job.samples[cell.sample_hash],
                    lambda: self.pilots.alike(cell.shape, cell.depth),
                    self.store,
                    device=self.device,
                    kernel=self.kernel,
                    say=self.progress.say,
                )
        return self.sized[name]

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
            codec = index.get("codec", cell.codec.name).load()(**dict(cell.codec.args))
            data = codec.encode(sample, sized.bytes)
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
        # keys by what they must have
        alike: dict[tuple[tuple[str, str, str, str], ...], list[str]] = defaultdict(list)
        marks = {}
        for hash_, sample in self.job.samples.items():
            marks[hash_] = tuple(self.scorer.marks(sample))
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
