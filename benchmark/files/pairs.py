"""Images and their masks by patterns of file names, and the name that each gets."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
import re
import unicodedata
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmark.errors import InputError, field
from benchmark.files.pictures import SUFFIXES

VOLUMES = (".nii", ".nii.gz", ".mha", ".dcm")
LONGEST = 100  # bytes of a name: results use it in file names, with a few of their own


def find_images(root: Path, pattern: str) -> list[Path]:
    """Files below `root` that match and are pictures or volumes, and folders that hold a DICOM
    series.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts or not pattern:
        raise InputError(
            f"images={pattern}",
            "it does not stay inside the folder",
            f"a pattern from {field('root')} on, such as images=images/*",
        )
    images, others = [], []
    for path in sorted(matches(root, pattern, "images", pattern)):
        if re.search(r"(^|/)\.", path.relative_to(root).as_posix()):
            continue  # hidden, or in a hidden folder
        if _is_image(path):
            images.append(path)
        elif path.is_file() and suffix_of(path) == "":
            others.append(path.name)
    if not images:
        there = sorted(path.name + "/" * path.is_dir() for path in root.iterdir())
        raise InputError(
            f"images={pattern} in {root}",
            f"no picture and no volume matches; there are {', '.join(there[:8]) or 'no files'}",
            "images=PATTERN from that folder on, quoted; read are"
            f" {', '.join((*SUFFIXES, *VOLUMES))}, DICOM folders",
        )
    if others:
        warnings.warn(
            f"{len(others)} files that match {pattern} are left out, no pictures:"
            f" {', '.join(others[:3])}",
            stacklevel=2,
        )
    return images


def matches(root: Path, pattern: str, option: str, asked: str) -> list[Path]:
    """What matches a pattern; raises InputError where it is none."""
    try:
        return list(root.glob(pattern))
    except (
        ValueError,
        NotImplementedError,
    ) as error:  # **a; a pattern from the root of the disk on
        raise InputError(
            f"{option}={asked}",
            str(error),
            f"a pattern from {field('root')} on: ** stands for folders alone, as in **/*.png",
        ) from None


def _is_image(path: Path) -> bool:
    """A folder with a series, or a file that is read here; no pipe or device, and of links those
    that are broken, too: `read` says so.
    """
    if path.is_dir():
        return is_series(path)
    return suffix_of(path) != "" and (path.is_file() or not path.exists())


def suffix_of(path: Path) -> str:
    """.nii.gz of scan.nii.gz: the suffix by which a file is read, or "" of another format."""
    for suffix in sorted((*SUFFIXES, *VOLUMES), key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return suffix
    return ""


def is_series(folder: Path) -> bool:
    """Whether a folder holds what may be slices of a DICOM series: files .dcm or without suffix."""
    if folder.is_dir():
        for file in folder.glob("[!.]*"):
            if file.suffix.lower() in (".dcm", "") and file.is_file():
                return True
    return False


def stem_of(path: Path) -> str:
    return path.name[: len(path.name) - len(suffix_of(path))] if not path.is_dir() else path.name


def find_masks(root: Path, pattern: str, images: Iterable[Path]) -> dict[Path, list[Path]]:
    """The masks of each image. A mask whose name goes on with the longer stem of another image
    (scan_1b for scan_1) is that image's.
    """
    listings: dict[Path, list[str]] = {}
    found: dict[Path, list[Path]] = {}
    stems: dict[Path, list[str]] = {}
    for image in images:
        found[image] = _matches(root, pattern, image, listings)
        for mask in found[image]:
            stems.setdefault(mask, []).append(stem_of(image))

    def goes_on(mask: Path, stem: str) -> bool:
        return any(other != stem and other.startswith(stem) for other in stems[mask])

    for image, masks in found.items():
        found[image] = [mask for mask in masks if not goes_on(mask, stem_of(image))]
    return found


def _matches(root: Path, pattern: str, image: Path, listings: dict[Path, list[str]]) -> list[Path]:
    stem, parent = stem_of(image), image.parent.relative_to(root).as_posix()
    fields = {"stem": stem, "name": image.name, "parent": parent, "folder": image.parent.name}

    def fill(text: str, change: Callable[[str], str] = str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: change(fields[found[1]]), text)

    for name in re.findall(r"\{(\w*)\}", pattern):
        if name not in fields:
            found = f"{{{name}}} stands for nothing"
            raise InputError(f"masks={pattern}", found, "{stem}, {name}, {parent} or {folder}")
    folder, _, last = pattern.rpartition("/")
    if glob.has_magic(folder):
        candidates = sorted(matches(root, fill(pattern, glob.escape), "masks", pattern))
    else:
        head = fill(re.split(r"[*?[]", last)[0])
        candidates = _listed(root / fill(folder), head, fill(last, glob.escape), listings)
    numbered = stem[-1:].isdigit() and "{stem}" in last
    masks = []
    for path in candidates:
        # scan_1* matches scan_12: what follows the stem may not go on with its number.
        longer = numbered and re.match(rf"{re.escape(stem)}\d", path.name)
        if path != image and path.name[0] != "." and not longer and _is_image(path):
            masks.append(path)
    return masks


def _listed(place: Path, head: str, pattern: str, listings: dict[Path, list[str]]) -> list[Path]:
    """What matches in a folder. Of thousands of images: the folder is listed once, and a look is
    taken only at names that begin alike.
    """
    if place not in listings:
        listings[place] = sorted(os.listdir(place)) if place.is_dir() else []
    names, found = listings[place], []
    for name in names[bisect_left(names, head) :]:
        if not name.startswith(head):
            break
        if fnmatch.fnmatchcase(name, pattern):
            found.append(place / name)
    return found


def named(
    root: Path, pattern: str, images: Iterable[Path], patient: Callable[[str, Path], str]
) -> dict[str, tuple[Path, str]]:
    """Case -> (image, patient). A case is called by the part of its path that the pattern leaves
    open, without the suffix.

    What is no letter, digit, dot or hyphen becomes `_`. A name starts with its patient; names that
    are equal then, upper and lower case aside, each get six digits of a hash of their path: were
    one to keep its name, another that comes later could take it over.
    """
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    cases: dict[str, list[tuple[Path, str, str]]] = {}
    for image in images:
        name = safe("_".join((*image.relative_to(root).parts[fixed:-1], stem_of(image))))
        who = safe(patient(name, image))
        case = name if name.startswith(who) else f"{who}_{name}"
        cases.setdefault(case.casefold(), []).append((image, who, case))
    named: dict[str, tuple[Path, str]] = {}
    for group in cases.values():
        for image, who, case in group:
            digest = hashlib.sha256(os.fsencode(image.relative_to(root).as_posix())).hexdigest()[:6]
            named[f"{case}_{digest}" if len(group) > 1 else case] = (image, who)
    return named


def safe(name: str) -> str:
    """A name that any file system takes: image_12 of "image (12)"."""
    plain = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip("_.-")
    return plain.encode()[:LONGEST].decode(errors="ignore") or "image"


def is_utf8(*paths: Path) -> bool:
    """Whether the names of all files can be written as text; others cannot be hashed, printed or
    stored in results.
    """
    return all(spelled(path) == str(path) for path in paths)


def in_utf8(*paths: Path) -> None:
    """Raises InputError where a file's name is no text."""
    if bad := [path for path in paths if not is_utf8(path)]:
        raise InputError(
            f"the file {spelled(bad[0])}",
            "its name is not in UTF-8",
            "rename it, as with convmv -t utf8",
        )


def spelled(path: Path | str) -> str:
    """A path as text: \\xe9 for a byte that is no UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")
