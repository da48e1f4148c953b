"""From what a user selects to a job: the samples, the readers and all cells with their twins and
peers. No torch here.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, Words, call, did_you_mean, field
from benchmark.networks.checkpoints import Checkpoint, find_checkpoint, places
from benchmark.plan.cells import Cell, Rate, with_twins
from benchmark.plan.defaults import codecs_of, regularizers_of, tasks_of
from benchmark.plan.inits import Init, init_for
from benchmark.plan.recipes import preset, recipe_for, untuned_notes
from benchmark.plan.samples import channels_of, check_sizes, load_samples, marked, trained_on
from benchmark.plan.selection import Selection
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.plugins.sets import options_by_plugin
from benchmark.types import SPLITS, Recipe, Sample, extent

FIRST_LOOK = "mni-lesion"  # is embedded, and looked at first
FIDELITIES = ("mean", "sum")
LARGE = 131_072  # voxels of a 64 x 64 x 32 crop: what one batch of slices holds as well


@dataclass
class Job:
    """A selection resolved: everything that is needed to plan, run and score it."""

    selection: Selection
    dataset: Any
    dataset_name: str
    samples: dict[str, Sample]  # by content hash
    unreadable: dict[str, str]  # sample id -> why
    segmenters: list[Checkpoint]  # each in the loss of fits of its own
    readers: list[Checkpoint]  # the segmenters first, then those that are in no loss
    cells: list[Cell] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(
        default_factory=list
    )  # what the user should know before it runs
    preset: str = "quick"
    dataset_options: dict[str, Any] = dataclasses.field(
        default_factory=dict
    )  # how its images were prepared
    inits: dict[str, Init] = dataclasses.field(
        default_factory=dict
    )  # learned initial states by hash

    @property
    def fits(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.codec is None]

    def segmenter_of(self, cell: Cell) -> Checkpoint:
        """The network in the loss of a cell with a penalty."""
        return next(
            segmenter for segmenter in self.segmenters if segmenter.hash == cell.segmenter_hash
        )


def resolve(selection: Selection) -> Job:
    """Check what can be checked before computing; raises InputError with what to type."""
    _check_numbers(selection)
    preset_name = selection.preset or default_preset(selection.dataset)
    base = preset(preset_name)
    for name in selection.inr:
        entry = index.get("inr", name)
        if (why := entry.unavailable()) is not None:
            raise InputError(
                field("inr", name), why, entry.declared["install"] or call("list", "inr")
            )
    optimizers = {}
    for name in selection.inr:
        recipe = recipe_for(index.get("inr", name), base, optimizer=selection.optimizer)
        optimizers[name] = recipe.optimizer
    args = _arguments(selection, optimizers)
    entry, given = (
        index.get("dataset", selection.dataset),
        args.get(("dataset", selection.dataset), {}),
    )
    dataset = entry.load()(selection.root, **given)
    samples, unreadable = load_samples(dataset, selection)
    channels = channels_of(samples)
    find = partial(
        find_checkpoint, dataset=selection.dataset, channels=channels, force=selection.force
    )
    segmenters = [find(spec) for spec in selection.segmenter]
    named = [find(spec) for spec in selection.reader]
    _check_in_loss(segmenters)
    others, notes = (named, []) if named else _other_readers(segmenters, selection, samples)
    by_hash = {}
    for reader in (*segmenters, *others):
        by_hash[reader.hash] = reader
    readers = list(by_hash.values())
    check_sizes(samples, readers)
    samples = marked(samples, readers)
    job = Job(
        selection,
        dataset,
        selection.dataset,
        samples,
        unreadable,
        segmenters,
        readers,
        preset=preset_name,
        notes=notes,
        dataset_options={**entry.defaults, **given},
    )
    job.notes += trained_on(samples.values(), readers)
    if selection.dims == 3:
        job.notes += _large(samples.values())
    job.cells = _cells(job, args, base)
    job.notes += untuned_notes(job.cells)
    return job


def _large(volumes: Iterable[Sample]) -> list[str]:
    """What to know of the largest volume, where it is much larger than a crop."""
    largest = max(volumes, key=lambda volume: volume.mask.size)
    voxels = largest.mask.size
    return (
        []
        if voxels <= LARGE
        else [
            f"volumes of {extent(largest.image.shape, largest.depth)}: each step renders all of"
            f" them, {voxels / LARGE:.0f} times the time of a 32 x 64 x 64 crop"
        ]
    )


def default_preset(dataset: str) -> str:
    """`quick` for a first look without a GPU, `standard` for everything that is meant."""
    return "quick" if dataset == FIRST_LOOK and not Path("/dev/nvidiactl").exists() else "standard"


def _check_numbers(s: Selection) -> None:
    for lam in s.lam:
        if not (math.isfinite(lam) and lam >= 0):
            raise _refused("lam", lam, "a number of at least 0", 1e-5)
    if s.bits is not None and not 6 <= s.bits <= 16:
        raise _refused("bits", s.bits, "from 6 to 16", 10)
    if s.bpp is not None and not 0 < s.bpp <= 64:
        raise _refused("bpp", s.bpp, "above 0 (bits a pixel)", 0.6)
    if s.steps is not None and s.steps < 1:
        raise _refused("steps", s.steps, "at least 1", 200)
    if s.lr is not None and not (math.isfinite(s.lr) and s.lr > 0):
        raise _refused("lr", s.lr, "above 0", 3e-3)
    if s.limit is not None and s.limit < 1:
        raise _refused("limit", s.limit, "at least 1", 6)
    if isinstance(s.penalty_every, int) and s.penalty_every < 1:
        raise _refused("penalty_every", s.penalty_every, "at least 1", 1, ", or auto")
    if s.stop_at_db is not None and not 0 < s.stop_at_db <= 100:
        raise _refused("stop_at_db", s.stop_at_db, "from 0 to 100 (dB)", 35)
    if s.patience is not None and s.patience < 1:
        raise _refused("patience", s.patience, "at least 1 (steps)", 100)
    _check_choices(s)


def _check_choices(s: Selection) -> None:
    if any(not 0 <= seed < 2**31 for seed in s.seed):
        raise _refused("seeds", min(s.seed), "from 0 to 2147483647", 0)
    if s.dims not in (2, 3):
        raise _refused("dims", s.dims, "2 (slices) or 3 (volumes)", 3)
    if s.dims == 3 and s.init is not None:
        raise InputError(
            f"{field('dims', 3)} with {field('init', s.init)}",
            "initial states are learned on slices, for backbones of two inputs",
            f"leave out {field('init')}",
        )
    for name, value, known in (
        ("fidelity", s.fidelity, FIDELITIES),
        ("split", s.split, SPLITS),
        ("precision", s.precision, ("auto", "float32", "bf16")),
    ):
        if value not in known:
            raise InputError(field(name, value), "no such choice", did_you_mean(value, known))


def _refused(name: str, value: float, expected: str, usual: float, more: str = "") -> InputError:
    return InputError(field(name, value), f"it must be {expected}", field(name, usual) + more)


def _arguments(s: Selection, optimizers: dict[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """The options of every selected plug-in, by (kind, name)."""
    tasks = tasks_of(s)
    names = {
        "inr": s.inr,
        "dataset": (s.dataset,),
        "regularizer": regularizers_of(s, tasks).values(),
        "codec": codecs_of(s, tasks),
        "optimizer": sorted(set(optimizers.values())),
    }
    selected = []
    for kind, each in names.items():
        for name in each:
            selected.append((kind, name))
    return options_by_plugin(s.sets, selected)


def _check_in_loss(segmenters: Sequence[Checkpoint]) -> None:
    """Refuse networks that no gradient goes through, and the same weights twice."""
    for part in (part for segmenter in segmenters for part in segmenter.parts):
        if not index.get("segmenter", part.name).declared["in_loss"]:
            raise InputError(
                field("segmenter", part.name),
                "no gradient goes through it, so it cannot stand in the loss",
                f"{field('reader', f'{part.name}@{part.path}')}, and another"
                f" {field('segmenter')}; a torch.export program can stand in the loss",
            )
    twice = [
        name
        for name, count in Counter(segmenter.hash for segmenter in segmenters).items()
        if count > 1
    ]
    if twice:
        names = " and ".join(
            str(segmenter.path) for segmenter in segmenters if segmenter.hash in twice
        )
        raise InputError(
            f"{field('segmenter')} with {names}", "the same weights twice", "each network once"
        )


def _other_readers(
    segmenters: Sequence[Checkpoint], s: Selection, samples: dict[str, Sample]
) -> tuple[list[Checkpoint], list[str]]:
    """Every other segmenter with usable weights for this data set, and a note on each whose weights
    cannot be used.
    """
    found, notes = [], []
    targets = {segmenter.target for segmenter in segmenters if segmenter.task == "mask"}
    in_loss = {part.name for segmenter in segmenters for part in segmenter.parts}
    for name in index.entries("segmenter"):
        if name not in in_loss and any(place.is_file() for place in places(name, s.dataset)):
            try:
                reader = find_checkpoint(name, s.dataset, channels=channels_of(samples))
                check_sizes(samples, [reader])
                if reader.task == "mask" and targets and reader.target not in targets:
                    notes.append(f"the reader {name} is left out: it marks {reader.target}s")
                elif "imported" in reader.card:
                    said = "it was imported, and nothing says on whom it was trained"
                    taken = f"{field('reader', name)} takes it in"
                    notes.append(Words(f"the reader {name} is left out: {said}; {taken}"))
                else:
                    found.append(reader)
            except InputError as error:
                notes.append(Words(f"the reader {name} is left out: {error.found.marked}"))
    return found, notes


def unreadable_key(dataset: str, sample_id: str) -> str:
    """The key of the row that says why an image could not be used."""
    return f"unreadable:{dataset}:{sample_id}"


def _cells(job: Job, args: dict[tuple[str, str], dict[str, Any]], base: Any) -> list[Cell]:
    s = job.selection
    fits: list[Cell] = []
    peers: list[Cell] = []
    tasks = {segmenter.task for segmenter in job.segmenters}
    codecs = []
    for name in codecs_of(s, tasks):
        codecs.append(_choice("codec", name, args))
    regularizers = {}
    for task, name in regularizers_of(s, tasks).items():
        regularizers[task] = _choice("regularizer", name, args)
    for name in s.inr:
        inr, rate = _backbone(name, args.get(("inr", name), {}), base, s)
        recipe = _recipe(name, base, s, args)
        init = _init(job, inr)
        for sample in job.samples.values():
            cell = Cell(
                job.dataset_name,
                sample.id,
                sample.patient,
                sample.hash,
                inr,
                rate,
                recipe,
                s.fidelity,
                init=init.hash if init else None,
                init_bytes=init.bytes if init else 0,
                shape=sample.image.shape,
                depth=sample.depth,
            )
            for segmenter, lam, seed in product(job.segmenters, s.lam, s.seed):
                fit = replace(cell, seed=seed, lam=lam)
                if lam:
                    fit = replace(
                        fit,
                        segmenter=segmenter.name,
                        segmenter_hash=segmenter.hash,
                        segmenter_source=segmenter.source,
                        regularizer=regularizers[segmenter.task],
                        precision="bf16" if s.precision == "bf16" else "float32",
                    )
                fits.append(fit)
            for codec in codecs:
                peers.append(replace(cell, codec=codec))
    return with_twins(fits) + peers


def _choice(kind: str, name: str, args: dict[tuple[str, str], dict[str, Any]]) -> Choice:
    return Choice.of(kind, name, **args.get((kind, name), {}))


def _backbone(name: str, args: dict[str, Any], base: Any, s: Selection) -> tuple[Choice, Rate]:
    """The backbone with its arguments; its size stays open where the rate decides it."""
    args = {**base.inr_args.get(name, {}), **args}
    size = index.get("inr", name).declared["size"]
    bits = s.bits if s.bits is not None else base.bits
    if size is None or size in args:
        return Choice.of("inr", name, **args), Rate(
            s.bpp, bits if s.bpp is not None else bits or 12
        )
    return Choice.of("inr", name, **{**args, size: ...}), Rate(s.bpp or 0.6, bits)


def _init(job: Job, inr: Choice) -> Init | None:
    """The learned state that fits of a backbone start from; None where they draw their own."""
    if job.selection.init is None:
        return None
    init, notes = init_for(
        job.selection.init, inr, job.dataset_name, list(job.samples.values()), job.selection.seed
    )
    job.inits[init.hash] = init
    job.notes += notes
    return init


def _recipe(
    name: str, base: Any, s: Selection, args: dict[tuple[str, str], dict[str, Any]]
) -> Recipe:
    own = {**base.inr_args.get(name, {}), **args.get(("inr", name), {})}
    recipe = recipe_for(
        index.get("inr", name),
        base,
        own,
        optimizer=s.optimizer,
        lr=s.lr,
        steps=s.steps,
        stop_at_db=s.stop_at_db,
        patience=s.patience,
    )
    if s.penalty_every is not None:
        recipe = replace(recipe, penalty_every=s.penalty_every)
    optimizer = _choice("optimizer", recipe.optimizer, args)
    return replace(recipe, optimizer_args=optimizer.args, optimizer_source=optimizer.source)
