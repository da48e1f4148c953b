"""Write a data set of volumes anew without skulls, as files that the data set `folder` reads: skull
stripping as preprocessing.

Each case becomes images/CASE.nii.gz (intensities as they are inside the brain, background outside),
masks/CASE.nii.gz (what counts as lesion) and brains/CASE.nii.gz, at its own size and spacing,
slices under their own numbers; --set chooses channel and labels. splits.tsv keeps everyone in the
split that they are in there. Cases that are there whole are left as they are: an interrupted run
goes on where it was.

examples:
  python -m benchmark data strip lgg --out lgg-stripped
  python -m benchmark data strip ms --set space=coregistered --by resunet3d@BRAIN.safetensors --force --out ms-stripped
  python -m benchmark data show folder --root lgg-stripped --set slices=largest
  python -m benchmark train --segmenter unet --dataset folder --root lgg-stripped --set splits=lgg-stripped/splits.tsv --set slices=all
"""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import Parser, add_plugins
from benchmark.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from benchmark.images.scan import Scan
    from benchmark.images.volumes import VolumeDataset

Find = Callable[["Scan"], "np.ndarray"]  # the brain, bool [Z, H, W]


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="data set of volumes; `data list` shows them")
    add(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="its folder (default: looked for in $SINCO_BENCH_DATA)",
    )
    add(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the data set: channel=flair",
    )
    add(
        "--by",
        default="classical",
        metavar="HOW",
        help="classical (default), or a network that marks brains, NAME[@FILE]",
    )
    add(
        "--size",
        type=int,
        metavar="N",
        help="pixels a side that the network reads (default: what its card says)",
    )
    add(
        "--planes",
        type=int,
        default=0,
        metavar="N",
        help="planes that a network of volumes reads (default: those of each case)",
    )
    add(
        "--split",
        choices=("train", "val", "test", "all"),
        default="all",
        help="only cases of one split (default all)",
    )
    add("--limit", type=int, metavar="N", help="only the first N cases")
    add(
        "--force",
        action="store_true",
        help="use a network on a data set that it was not trained on",
    )
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the folder to write, or to go on with",
    )
    add("--device", default="auto", metavar="D", help="auto (CUDA when there), cpu or cuda")
    add_plugins(parser)


def run(args: argparse.Namespace) -> int:
    """Strip case by case; exit code 1 when one cannot be read, or shows no brain."""
    from benchmark.images.stripped import open_folder

    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit {args.limit}", "it must be at least 1", "--limit 3")
    dataset, options = _dataset(args)
    find, by = _find(args)
    cases = _cases(args, dataset)
    open_folder(args.out, {"dataset": args.name, "options": options, "by": by})
    failed: list[str] = []
    try:
        _strip(args, dataset, cases, find, failed)
    except KeyboardInterrupt:
        print(
            "interrupted: what is written is whole, and the same line goes on from there",
            file=sys.stderr,
        )
        return 130
    finally:
        told = _write_splits(args, dataset, cases)
    print(told)
    return 1 if failed else 0


def _dataset(args: argparse.Namespace) -> tuple[VolumeDataset, dict[str, Any]]:
    from benchmark.images.volumes import VolumeDataset
    from benchmark.plan.job import parse_sets
    from benchmark.plugins.index import get

    entry = get("dataset", args.name)
    if (why := entry.unavailable()) is not None:
        raise InputError(
            f"the data set {args.name}", why, entry.declared["install"] or "another data set"
        )
    options = parse_sets(args.sets, [("dataset", args.name)]).get(("dataset", args.name), {})
    dataset = entry.load()(args.root, **options)
    if not isinstance(dataset, VolumeDataset) or entry.declared["truth"] == "label":
        found = (
            "its pictures come in classes, which a folder has none of"
            if entry.declared["truth"] == "label"
            else "it has no volumes"
        )
        raise InputError(
            f"data strip {args.name}",
            found,
            "a data set of volumes, such as lgg, ms, nfbs or folder",
        )
    if (folder := dataset.fetch()) is not None and args.out.resolve() == folder.resolve():
        raise InputError(f"--out {args.out}", "it is the data set itself", "--out another folder")
    return dataset, options


def _find(args: argparse.Namespace) -> tuple[Find, str]:
    """What finds a brain, and its name as the folder keeps it; raises InputError for a network that
    does not mark brains.
    """
    if args.by == "classical":
        from benchmark.networks.strip import brain_of

        return lambda scan: brain_of(scan, None), "classical"
    from benchmark.networks.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(args.by, args.name, force=args.force)
    if checkpoint.task != "mask" or checkpoint.target != "brain":
        marks = (
            "answers with a class"
            if checkpoint.task != "mask"
            else f"was trained to mark {checkpoint.target}s"
        )
        raise InputError(
            f"--by {args.by}",
            f"it {marks}, not brains",
            "--by classical, or a network of `train --target brain`",
        )
    if args.planes < 0 or (args.planes and checkpoint.dims != 3):
        found = "it reads slice by slice" if args.planes > 0 else "it must be at least 1"
        raise InputError(
            f"--planes {args.planes}",
            found,
            "leave out --planes, or a network of volumes with --planes 32",
        )
    from benchmark.device import resolve_device
    from benchmark.networks.network import load_network
    from benchmark.networks.strip import brain_of, size_of

    size = size_of(checkpoint.card, f"--by {args.by}", args.size)
    network = load_network(checkpoint, device=resolve_device(args.device))
    name = f"{checkpoint.name} {checkpoint.hash}, size {size}" + f", planes {args.planes}" * bool(
        args.planes
    )
    return lambda scan: brain_of(scan, network, size, args.planes), name


def _cases(args: argparse.Namespace, dataset: VolumeDataset) -> dict[str, str]:
    """Name of the files -> case, of the chosen ones."""
    from benchmark.files.pairs import safe

    chosen = [case for case in dataset.files if args.split in ("all", dataset.split(case))][
        : args.limit
    ]
    if not chosen:
        raise InputError(
            f"data strip {args.name} --split {args.split}",
            f"none of {len(dataset.files)} cases is in it",
            "--split all",
        )
    names = {safe(case): case for case in chosen}
    if len({name.casefold() for name in names}) < len(chosen):
        raise InputError(
            f"data strip {args.name}",
            "two cases have names that no files can tell apart",
            "rename one of them",
        )
    return names


def _strip(
    args: argparse.Namespace,
    dataset: VolumeDataset,
    cases: dict[str, str],
    find: Find,
    failed: list[str],
) -> None:
    from benchmark.images.stripped import is_written, write_stripped

    for n, (name, case) in enumerate(cases.items(), 1):
        at = f"{n}/{len(cases)}  {case}"
        if is_written(args.out, name):
            print(f"{at}  is there")
            continue
        try:
            scan = dataset.scan(case)
        except InputError as error:
            failed.append(case)
            print(error, file=sys.stderr)
            continue
        brain = find(scan)
        if not brain.any():
            failed.append(case)
            print(f"{at}  is left out: no brain is found in it", file=sys.stderr)
            continue
        write_stripped(scan, brain, args.out, name)
        print(f"{at}  {_words(scan, brain)}", flush=True)


def _words(scan: Scan, brain: np.ndarray) -> str:
    import numpy as np

    said = [f"{brain.mean():.0%} of the volume is brain"]
    if (
        scan.labels is not None
        and (lesion := np.isin(scan.labels, scan.lesion)).any()
        and (lesion & ~brain).any()
    ):
        said.append(f"{(lesion & ~brain).sum() / lesion.sum():.1%} of its lesion lies outside")
    return "; ".join([*said, *scan.notes])


def _write_splits(args: argparse.Namespace, dataset: VolumeDataset, cases: dict[str, str]) -> str:
    """Who is in which split, by the names that `folder` gives to what is there; returns what to
    type next.
    """
    from benchmark.files.pairs import safe, stem_of
    from benchmark.images.splits import Split
    from benchmark.images.stripped import whole
    from benchmark.plugins.index import get

    masked = any((args.out / "masks").glob("*.nii.gz"))
    if not any((args.out / "images").glob("*.nii.gz")):
        return "nothing is written"
    sets = [] if masked else ["masks="]
    made = get("dataset", "folder").load()(args.out, **({} if masked else {"masks": ""}))
    of = {safe(case): dataset.split(case) for case in dataset.files}
    splits: dict[str, set[str]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `folder` warns whoever reads it
        for case, files in made.files.items():
            if (split := of.get(stem_of(files[0]))) is not None:
                splits.setdefault(made.person(case), set()).add(split)
    torn = sorted(person for person, found in splits.items() if len(found) > 1)
    if not torn:
        text = Split({person: min(found) for person, found in splits.items()}).text(args.name)
        whole(args.out / "splits.tsv", text.encode())
        sets.append(f"splits={args.out / 'splits.tsv'}")
    sets += [f"{name}={value}" for name, value in dataset.preparation.items()]
    line = " ".join(f"--set {shlex.quote(text)}" for text in sets)
    line = (
        f"--root {shlex.quote(str(args.out))} --split"
        f" {dataset.split(next(iter(cases.values()))) or 'test'} {line}"
    )
    told = (
        f"{len(made.files)} cases in {args.out}; look at them: python -m benchmark data show folder"
        f" {line}"
    )
    notes = [
        f"note: no splits.tsv: `folder` takes {person} for one patient, who is in two splits here"
        for person in torn[:1]
    ]
    return "\n".join([told, *notes])
