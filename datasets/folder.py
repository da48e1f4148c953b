"""A folder of your own: pairs of image and mask by patterns, in every format that is read here."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmark.files.pairs import (
    VOLUMES,
    find_images,
    find_masks,
    in_utf8,
    is_utf8,
    named,
    suffix_of,
)
from benchmark.files.pictures import SUFFIXES, Picture, luminance, read_picture
from benchmark.plugins import InputError, Scan, VolumeDataset, field, register

if TYPE_CHECKING:
    from benchmark.files.volumes import Volume

COLORS = ("red", "green", "blue")
# More values than this in an 8-bit mask up to 255 are shades of an edge, not label numbers.
MOST_LABELS = 32


@register.dataset("folder", requires=("PIL", "tifffile", "nibabel"))
class Folder(VolumeDataset):
    """Your own images, with or without masks: PNG, JPEG, TIFF, NPY, NPZ, NIfTI, MHA, DICOM (a file,
    or a folder with a series).

    images: a pattern from --root on. masks: the same for the mask of an image, {stem}, {name},
    {parent} and {folder} standing for its name without and with suffix, its folder from --root on,
    and that folder's own name; empty: there are no masks. patient: a regular expression, searched
    in the image's path from --root on, whose first group is the patient; without one, pictures and
    volumes of one plane whose names differ in a last number (_12, -012, (12)) are one patient's,
    and each other volume is a patient. Patients are in splits by a hash of their name, 60 / 12 / 28
    %. lesion: label numbers that count, such as 1,3; empty: all above 0. color: keep red, green and
    blue of what is in color, or read its luminance (gray). Volumes are turned to rows from the
    front and columns from the patient's right; pictures and arrays stay as they are, with 1 mm
    pixels. The background is what all corners have; where they differ, or where all else has one
    value, there is none. `full` is 0 to 255 of 8-bit files and the file's own range of others. A
    JPEG mask counts from half of 255 on.
    """

    name = "folder"
    salt = "folder-0"
    preparation = {}
    licence = "your own files, under their own licence"
    citation = "your own files"
    get = "put your images and masks"

    def __init__(
        self,
        root: Path | None = None,
        *,
        images: str = "images/*",
        masks: str = "masks/{stem}*",
        patient: str = "",
        lesion: str = "",
        color: Literal["keep", "gray"] = "keep",
        **preparation: Any,
    ) -> None:
        if not re.fullmatch(r"(\d+(,\d+)*)?", lesion):
            raise InputError(
                f"folder with lesion={lesion}",
                "no label numbers",
                "lesion=1 or lesion=1,3; empty: all above 0",
            )
        try:
            groups = re.compile(patient).groups
        except re.error as error:
            raise InputError(
                f"folder with patient={patient}",
                f"no regular expression: {error}",
                "patient='(sub-[0-9]+)'",
            ) from None
        if patient and not groups:
            raise InputError(
                f"folder with patient={patient}", "it has no group", f"patient='({patient})'"
            )
        if color not in ("keep", "gray"):
            raise InputError(
                f"folder with color={color}", "no such choice", "color=keep or color=gray"
            )
        super().__init__(
            root,
            preparation,
            images=images,
            masks=masks,
            patient=patient,
            lesion=lesion,
            color=color,
        )

    def fetch(self) -> Path:
        if self.root is None or not Path(self.root).is_dir():
            raise InputError(
                "the data set folder",
                f"no such folder: {self.root}" if self.root else "no folder is given",
                field("root", "FOLDER"),
            )
        return Path(self.root)

    @cached_property
    def _found(self) -> dict[str, tuple[Path, str, list[Path]]]:
        """Case -> image, patient, masks."""
        root, pattern = self.fetch(), self.own["masks"]
        images = find_images(root, self.own["images"])
        masks: dict[Path, list[Path]] = dict.fromkeys(images, [])
        if pattern:
            masks = find_masks(root, pattern, images)
        taken: set[Path] = set().union(*masks.values())
        # Masks beside images match both patterns.
        images = [image for image in images if image not in taken]
        if pattern and not taken:
            raise InputError(
                f"masks={pattern} in {root}",
                f"none of {len(images)} images has one, such as {images[0].relative_to(root)}",
                "masks=PATTERN from that folder on, quoted, or masks= where there are none",
            )
        cases = named(root, self.own["images"], images, self._patient)
        found = {}
        patients = set()
        for case, (image, patient) in cases.items():
            found[case] = (image, patient, masks[image])
            patients.add(patient)
        if len(patients) == 1 < len(cases):
            warnings.warn(
                f"all {len(cases)} images count as one patient, {patients.pop()},"
                " and so are in one split: patient='(.+)' makes each a patient; another first"
                " group says who is",
                stacklevel=2,
            )
        return found

    def _patient(self, name: str, image: Path) -> str:
        if not self.own["patient"]:
            return (re.sub(r"[-_.]+\d+$", "", name) or name) if _is_picture(image) else name
        path = image.relative_to(self.fetch()).as_posix()
        found = re.search(self.own["patient"], path)
        if not found or not found[1]:
            raise InputError(
                f"the patient of {path}",
                f"patient={self.own['patient']} finds none",
                "an expression that fits all images",
            )
        return found[1]

    def cases(self) -> Mapping[str, Sequence[Path]]:
        cases: dict[str, Sequence[Path]] = {}
        for case, (image, _, masks) in self._found.items():
            paths = _files(image, *masks)
            cases[case] = paths if is_utf8(*paths) else []
        return cases

    def patient(self, case: str) -> str:
        return self._found[case][1]

    def person(self, case: str) -> str:
        """Who is known elsewhere by the case's name, or else its patient."""
        known = super().person(case)
        return self.patient(case) if known == case else known

    def numbers(self, case: str) -> Sequence[int]:
        image = self._found[case][0]
        in_utf8(image)
        if suffix_of(image) in VOLUMES:
            from benchmark.files.volumes import read_geometry

            return range(read_geometry(image).shape[2])
        return (0,) if suffix_of(image) in (".png", ".jpg", ".jpeg") else super().numbers(case)

    def read(self, case: str) -> Scan:
        image, _, masks = self._found[case]
        in_utf8(image, *masks, *_files(image, *masks))
        if self.own["masks"] and len(masks) != 1:
            names = ", ".join(mask.name for mask in masks)
            raise InputError(
                f"the mask of {image}",
                f"{len(masks)} files match {self.own['masks']}{': ' if masks else ''}{names}",
                "one mask an image (of zeros where nothing is found), or another pattern",
            )
        channels, volume = self._image(image)
        first = next(iter(channels.values()))
        labels, notes = self._mask(masks[0], first.shape, volume) if masks else (None, [])
        wanted = tuple(map(int, filter(None, self.own["lesion"].split(","))))
        there: tuple[int, ...] = ()
        if labels is not None:
            values = np.unique(labels)
            there = tuple(values[values > 0].tolist())
            notes += self._odd_labels(labels, wanted, there)
        background = {}
        for name, stack in channels.items():
            value = _background(stack)
            if value is not None:
                background[name] = value
        return Scan(
            case,
            channels,
            tuple(range(len(first))),
            labels=labels,
            lesion=wanted or there or (1,),
            orientation=volume.orientation if volume else "",
            spacing_mm=volume.spacing_mm[::-1] if volume else (1.0, 1.0, 1.0),
            background=background,
            full=(0.0, 255.0) if first.dtype == np.uint8 else None,
            notes=tuple(notes),
        )

    def _odd_labels(
        self, labels: np.ndarray, wanted: tuple[int, ...], there: tuple[int, ...]
    ) -> list[str]:
        """What to note of the label numbers `there`, of which those `wanted` count."""
        notes = []
        if wanted and there and not set(wanted) & set(there):
            notes.append(
                f"its mask has the label numbers {', '.join(map(str, there[:8]))}, none of"
                f" lesion={self.own['lesion']}"
            )
        if labels.min() < 0:
            notes.append(
                f"its mask has numbers below 0, down to {labels.min()}, which do not count as"
                " lesion"
            )
        return notes

    def _image(self, path: Path) -> tuple[dict[str, np.ndarray], Volume | None]:
        """Channels [Z, H, W], and the first of them as a volume where it is one."""
        volume = None
        if suffix_of(path) not in SUFFIXES:
            channels, volume = _volume(path)
        else:
            picture = read_picture(path)
            for remark in picture.remarks:
                warnings.warn(remark, stacklevel=2)
            if picture.colored and self.own["color"] == "keep":
                channels = {name: picture.planes[..., i] for i, name in enumerate(COLORS)}
            else:
                channels = {
                    "image": luminance(picture.planes) if picture.colored else picture.planes
                }
        _, height, width = next(iter(channels.values())).shape
        if min(height, width) < 2:
            raise InputError(
                f"the image {path}",
                f"its axial planes have {height} x {width} pixels",
                "an image with axial planes",
            )
        return channels, volume

    def _mask(
        self, path: Path, shape: tuple[int, ...], image: Volume | None
    ) -> tuple[np.ndarray, list[str]]:
        """Label numbers [Z, H, W] and what to be warned of."""
        from benchmark.files.volumes import as_labels, same_grid

        notes = []
        if suffix_of(path) in SUFFIXES:
            picture = read_picture(path, mask=True)
            if picture.colored:
                raise InputError(
                    f"the mask {path}",
                    "it is in color: an overlay, or a drawing",
                    "a mask of label numbers, in gray",
                )
            values, note = self._hard(path, picture)
            notes += [note] * bool(note)
        else:
            stacks, volume = _volume(path, image)
            if len(stacks) != 1:
                raise InputError(
                    f"the mask {path}",
                    f"it has {len(stacks)} channels",
                    "a mask of one channel, in label numbers",
                )
            values = stacks["image"]
            if image:
                same_grid(image, [volume])
        if values.shape != shape:
            raise InputError(
                f"the mask {path}",
                f"it has {' x '.join(map(str, values.shape))} pixels (planes x rows x columns), the"
                f" image {' x '.join(map(str, shape))}",
                "a mask drawn on this image, at its size",
            )
        return as_labels(values, f"the mask {path}"), notes

    def _hard(self, path: Path, picture: Picture) -> tuple[np.ndarray, str]:
        """A picture's labels: shades between 0 and 255 become one of them where they can be no
        label numbers.
        """
        values, there = picture.planes, np.unique(picture.planes)
        shades = int(((values > 0) & (values < 255)).sum())
        if values.dtype != np.uint8 or not shades:
            return values, ""
        if picture.lossy and (there[-1] < 128 or self.own["lesion"]):
            raise InputError(
                f"the mask {path}",
                f"a JPEG with values up to {there[-1]}, which JPEG has blurred",
                "masks as PNG: label numbers do not survive JPEG",
            )
        edges = there[-1] == 255 and not self.own["lesion"]
        if picture.lossy or (edges and len(there) > MOST_LABELS):
            note = f"{shades} pixels of its mask lie between 0 and 255: those from 128 on count"
            return (values >= 128).astype(np.uint8), note
        if edges:
            note = (
                f"its mask has the values {', '.join(map(str, there))}: all above 0 count, or"
                " choose with lesion=255"
            )
            return values, note
        return values, ""


def _files(*paths: Path) -> list[Path]:
    """The files of a case, those in the folders of DICOM series among them."""
    files = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [file for file in inside if file.is_file()]
    return files


def _background(stack: np.ndarray) -> float | None:
    """What all corners of a channel [Z, H, W] have; None where they differ, or where it is no
    background.
    """
    depth, height, width = stack.shape
    corners = stack[:: max(depth - 1, 1), :: height - 1, :: width - 1]
    value = corners.flat[0]
    if (corners == value).all() and not _is_binary(stack, value):
        return float(value)
    return None


def _is_binary(voxels: np.ndarray, background: np.generic) -> bool:
    """Whether all that is no background has one value: its percentiles, or its mean and deviation,
    would be no window.
    """
    tissue = voxels[voxels != background]
    return tissue.size > 0 and bool(tissue.min() == tissue.max())


def _is_picture(path: Path) -> bool:
    """Whether a file holds one plane; of formats for volumes, its header says so."""
    from benchmark.files.volumes import read_geometry

    if suffix_of(path) in SUFFIXES:
        return True
    try:
        in_utf8(path)
        return not path.is_dir() and min(read_geometry(path).shape) == 1
    except InputError:  # `read` says what is wrong with it
        return False


def _volume(path: Path, image: Volume | None = None) -> tuple[dict[str, np.ndarray], Volume]:
    """Channels [Z, H, W], and the first as a volume; image: what a mask belongs to."""
    from benchmark.files.volumes import planes, read_geometry, read_volume

    count = read_geometry(path).channels if suffix_of(path) in (".nii", ".nii.gz") else 0
    if count <= 1:
        volume = read_volume(path, like=image.path if image else None)
        return {"image": planes(volume)}, volume
    volumes = [read_volume(path, number) for number in range(count)]
    channels = {}
    for number, volume in enumerate(volumes):
        channels[f"channel-{number}"] = planes(volume)
    return channels, volumes[0]
