"""Turn weights made elsewhere into a checkpoint with a card, so that they stand in the loss or read
like any other.

A state dict (.pt, .pth, .safetensors) fits the segmenter that has its names: unet, unet-4, smp,
attention-unet and so on, and those of torchvision mobilenet-v2 and vgg16. A program of torch.export
(.pt2), an ONNX file and the folder of a trained nnU-Net bring their own architecture. Pickles are
read for tensors only, and nothing in a file is run, but for a program of torch.export: loading it
may run code of whoever made it, so it needs --trust, once on each machine. Without --file the
published weights are downloaded, where there are some (unet-buda).

examples:
  python -m benchmark import --segmenter unet-buda --dataset lgg
  python -m benchmark import --segmenter unet-buda --dataset lgg --file unet-e012d006.pt
  python -m benchmark import --segmenter smp --set architecture=fpn --set encoder=resnet34 \\
      --dataset lgg --file weights.pth
  python -m benchmark import --segmenter nnunet --dataset brats \\
      --file nnUNet_results/Dataset001/nnUNetTrainer__nnUNetPlans__2d
  python -m benchmark import --segmenter torch-export --dataset lgg --channels flair \\
      --file mine.pt2 --out mine.safetensors --trust
  python -m benchmark run --segmenter torch-export@mine.safetensors --dataset lgg
  python -m benchmark run --reader onnx --dataset lgg   (ONNX only reads: it has no gradient)

a classifier, and one that starts from its ImageNet weights (--classes: the names of its answers, in
their order):
  python -m benchmark import --segmenter vgg16 --dataset brain-tumor-mri \\
      --classes glioma,meningioma,none,pituitary --file mine.pth
  python -m benchmark import --segmenter vgg16 --dataset brain-tumor-mri \\
      --set vgg16.classes=1000 --set rgb=true --set normalize=imagenet \\
      --file vgg16-397923af.pth --out imagenet-vgg16.safetensors
  python -m benchmark train --segmenter vgg16 --dataset brain-tumor-mri \\
      --set size=128 --set rgb=true --set normalize=imagenet \\
      --init-from imagenet-vgg16.safetensors --fresh classifier.6
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmark.cli.parser import add_plugins
from benchmark.errors import InputError, as_options, call
from benchmark.networks.checkpoints import checked_path, sized
from benchmark.plugins.index import Entry, get

UNKNOWN = (
    "nothing is known of the patients that these weights were trained on: they may have seen the"
    " images that they are scored on"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--segmenter",
        required=True,
        help="what the weights are for; `python -m benchmark list segmenter`",
    )
    add(
        "--file",
        type=Path,
        metavar="FILE|FOLDER",
        help="the weights (default: those published, downloaded)",
    )
    add(
        "--dataset",
        required=True,
        help="the data set that they are to read; `python -m benchmark list dataset`",
    )
    add(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="folder of the data set (default: SINCO_BENCH_DATA)",
    )
    add(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the segmenter or the data set: base=32, or PLUGIN.base=32",
    )
    _add_reading(parser)
    add(
        "--trust",
        action="store_true",
        help="load a program of torch.export: that may run code of whoever made the file",
    )
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="the checkpoint (default: in the cache, where `run` looks for it)",
    )
    add_plugins(parser)
    add("--json", action="store_true", help="print the card as JSON")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """What the weights read, and what their answers mean."""
    add = parser.add_argument
    add(
        "--channels",
        metavar="NAMES",
        help="channels of the images in their order: flair,t1 (default: those of the data set)",
    )
    add(
        "--target",
        choices=("lesion", "brain"),
        default="lesion",
        help="what it was trained to mark (default: %(default)s)",
    )
    add(
        "--classes",
        metavar="NAMES",
        help=(
            "of a classifier the names of its answers, in order: glioma,none (default:"
            " class_0,class_1...)"
        ),
    )


def run(args: argparse.Namespace) -> int:
    from benchmark.plugins.sets import options_by_plugin

    segmenter, dataset = get("segmenter", args.segmenter), get("dataset", args.dataset)
    if args.classes and segmenter.declared["task"] != "label":
        raise InputError(
            f"--classes {args.classes} for {args.segmenter}",
            "it marks masks and names no classes",
            "leave it out",
        )
    if args.target != "lesion" and segmenter.declared["task"] != "mask":
        raise InputError(
            f"--target {args.target} for {args.segmenter}",
            "it reads labels, not masks",
            "leave it out",
        )
    out = checked_path(args.out, args.segmenter, args.dataset)
    chosen = options_by_plugin(
        args.sets, [(entry.kind, entry.name) for entry in (segmenter, dataset)]
    )
    card, said, last = _import(args, segmenter, dataset, chosen, out)
    if args.json:
        print(json.dumps(card, indent=2))
        return 0
    options = chosen.get(("dataset", dataset.name), {})
    _show(args, segmenter, card, said, options, out)
    if last and args.out and not args.classes:
        _show_start(args, segmenter, card, options, out, last)
    return 0


def _show(
    args: argparse.Namespace,
    segmenter: Entry,
    card: dict[str, Any],
    said: str,
    options: dict[str, Any],
    out: Path,
) -> None:
    from benchmark.networks.foreign import PUBLISHED

    source = card["imported"]
    size = "" if card["parameters"] is None else f", {card['parameters']:,} parameters"
    print(
        f"{args.segmenter} for {args.dataset} ({', '.join(card['channels'])}){size}\n"
        f"from {source['file']}, sha256 {source['sha256'][:16]}...\n{said}\n{UNKNOWN}\nwrote {out}"
    )
    spec, sets = (
        args.segmenter + (f"@{out}" if args.out else ""),
        {f"{args.dataset}.{key}={value}" for key, value in options.items()},
    )
    if source["address"] and args.dataset in PUBLISHED[args.segmenter].sets:
        sets.add(PUBLISHED[args.segmenter].sets[args.dataset])
    role = "--segmenter" if segmenter.declared["in_loss"] else "--reader"
    words = [f"{role} {spec} --dataset {args.dataset}", *(f"--set {text}" for text in sorted(sets))]
    print(f"use it: python -m benchmark run {' '.join(words)}")


def _show_start(
    args: argparse.Namespace,
    segmenter: Entry,
    card: dict[str, Any],
    options: dict[str, Any],
    out: Path,
    last: str,
) -> None:
    """How a training starts from weights of other classes, such as ImageNet's; last: the layer that
    does not fit those of the data.
    """
    own = {
        name: value
        for name, value in card["options"].items()
        if name != "classes" and value != segmenter.defaults[name]
    }
    # What a training of this data set needs, where nothing else was said.
    sets = {} if "size" in options else sized(args.segmenter, args.dataset)
    for entry, values in ((args.segmenter, own), (args.dataset, options)):
        for name, value in values.items():
            sets[f"{entry}.{name}"] = value
    train = call(
        "train",
        segmenter=args.segmenter,
        dataset=args.dataset,
        sets=sets,
        init_from=f"{args.segmenter}@{out}",
        fresh=last,
    )
    print(
        "its answers are called class_0, class_1 and so on: --classes names them\nstart from it:"
        f" {as_options(train)}"
    )


def _import(
    args: argparse.Namespace,
    segmenter: Entry,
    dataset: Entry,
    chosen: dict[tuple[str, str], dict[str, Any]],
    out: Path,
) -> tuple[dict[str, Any], str, str]:
    """Write the checkpoint; returns its card, what a trial of it said, and of a classifier the name
    of its last layer.
    """
    plugin = segmenter.load()
    import torch

    from benchmark.networks.foreign import (
        PUBLISHED,
        load_by_name,
        named_alike,
        sha256_of,
        take_over,
        tensors_of,
        tried,
    )
    from benchmark.networks.network import save_atomically
    from benchmark.networks.weights import build, on_meta

    file = args.file or _downloaded(segmenter.name, args.json)
    what = f"the weights {file} in segmenter {segmenter.name}"
    if not file.exists():
        raise InputError(what, "no such file or folder", "--file FILE")
    state, options, trusted = take_over(plugin, file, what, args.trust)
    options = options | chosen.get(("segmenter", segmenter.name), {})
    channels = _given_channels(args.channels)
    digest, published = sha256_of(_hashed(file)), PUBLISHED.get(segmenter.name)
    if published and not digest.startswith(published.source.hash.rpartition(":")[2]):
        published = None
    if published:
        options, channels = published.options | options, channels or list(published.channels)
    channels = channels or _channels(dataset, args.root, chosen.get(("dataset", dataset.name), {}))
    classes = _classes(args, segmenter, options) if segmenter.declared["task"] == "label" else []
    options = options | ({"classes": len(classes)} if classes else {})
    torch.manual_seed(0)
    if shapes := on_meta(plugin, len(channels), options):
        named_alike(shapes, state, what)  # what does not fit takes no memory
    module = build(
        plugin, len(channels), options, f"segmenter {segmenter.name} with {options}"[:300]
    )
    load_by_name(module, state, what)
    said = tried(
        module.eval().requires_grad_(False), len(channels), segmenter.declared, what, len(classes)
    )
    card = _card(args, segmenter, dataset, options, channels, _hashed(file), module)
    card["imported"] |= {"sha256": digest, "address": published.source.url if published else None}
    card["imported"] |= {"trusted": trusted} if trusted else {}
    card |= {"classes": classes} if classes else {"target": args.target}
    save_atomically(out, tensors_of(module), {"card": json.dumps(card)})
    return card, said, list(module.state_dict())[-1].rpartition(".")[0] if classes else ""


def _given_channels(text: str | None) -> list[str] | None:
    """The names of --channels; raises InputError where one is missing or twice there."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise InputError(
            f"--channels {shlex.quote(text)}",
            "it is not one name or more, each once",
            "--channels flair,t1, or leave it out",
        )
    return names


def _classes(args: argparse.Namespace, segmenter: Entry, options: dict[str, Any]) -> list[str]:
    """What a classifier's answers are called; raises InputError where names are missing or twice
    there, or as many as it has no answers.
    """
    if args.classes is None:
        return [
            f"class_{number}"
            for number in range(options.get("classes", segmenter.defaults["classes"]))
        ]
    names = [name.strip() for name in args.classes.split(",")]
    asked = f"--classes {args.classes}"
    if len(names) < 2 or "" in names or len(set(names)) < len(names):
        raise InputError(
            asked,
            "it is not two names or more, each once",
            "--classes glioma,meningioma,none,pituitary",
        )
    if options.get("classes", len(names)) != len(names):
        raise InputError(
            asked,
            f"{len(names)} names for {options['classes']} answers",
            "as many names, or leave out the --set of classes",
        )
    return names


def _hashed(file: Path) -> Path:
    """The file that holds the weights: itself, or of an nnU-Net's folder the checkpoint that is
    read.
    """
    return sorted(file.glob("fold_*/checkpoint_final.pth"))[0] if file.is_dir() else file


def _downloaded(name: str, quiet: bool) -> Path:
    from benchmark.files.fetch import fetch
    from benchmark.folders import cache_folder
    from benchmark.networks.foreign import PUBLISHED

    if name not in PUBLISHED:
        raise InputError(
            f"published weights of {name}",
            f"none are known; those of {', '.join(PUBLISHED)} are",
            "--file FILE with weights",
        )
    source = PUBLISHED[name].source
    if not quiet:
        print(f"fetching {source.url}", file=sys.stderr)
    return fetch(source, cache_folder() / "downloads")


def _channels(dataset: Entry, root: Path | None, options: dict[str, Any]) -> list[str]:
    """The channels of the data set's images, as it is asked for."""
    try:
        images = dataset.load()(root=root, **options)
        return list(images.load(images.ids("train")[0]).channels)
    except InputError as error:
        raise InputError(
            error.asked,
            error.found,
            f"{error.todo.marked}; or --channels NAMES, to import without the data",
        ) from None


def _card(
    args: argparse.Namespace,
    segmenter: Entry,
    dataset: Entry,
    options: dict[str, Any],
    channels: list[str],
    file: Path,
    module: Any,
) -> dict[str, Any]:
    import torch

    from benchmark import __version__

    words = [
        f"python -m benchmark import --segmenter {segmenter.name} --dataset {dataset.name}",
        *(f"--set {shlex.quote(s)}" for s in args.sets),
        f"--channels {','.join(channels)}",
        *([f"--classes {shlex.quote(args.classes)}"] if args.classes else []),
        *(["--file", file.name] if args.file else []),
    ]
    return {
        "segmenter": segmenter.name,
        "options": {**segmenter.defaults, **options},
        "channels": channels,
        "dataset": dataset.name,
        "command": " ".join(words),
        "imported": {"file": file.name},
        "note": UNKNOWN,
        "parameters": sum(p.numel() for p in module.parameters()) or None,
        "source_hash": segmenter.source_hash(),
        "versions": {"sinco-bench": __version__, "torch": torch.__version__},
    }
