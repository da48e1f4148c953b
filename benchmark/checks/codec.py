"""Claims about a codec: `encode(sample, max_bytes) -> bytes`, `decode(bytes) -> Decoded`."""

from __future__ import annotations

import numpy as np

from benchmark.checks import Skip, Subject
from benchmark.checks.fresh import decode_codec
from benchmark.errors import CellFailed
from benchmark.plugins.contracts import Decoded
from benchmark.plugins.magic import recognized
from benchmark.types import Sample, VolumeStatistics

SIDE = 64
LONGEST_LABEL = 8  # characters: a label stands above a column of numbers
BUDGETS = (300, 600, 1200)  # 0.6, 1.2 and 2.3 bits a pixel


def picture(channels: int = 1, seed: int = 0) -> Sample:
    """A smooth picture with some texture, and a round lesion."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    noise = 0.02 * np.random.default_rng(seed).standard_normal((SIDE, SIDE))
    base = 0.5 + 0.3 * np.sin(7 * x + 3 * y + seed) * np.cos(11 * y) + noise
    mask = (x - 0.4) ** 2 + (y - 0.6) ** 2 < 0.02
    image = np.stack(
        [np.clip(base + 0.2 * mask + 0.1 * c, 0, 1) for c in range(channels)], -1
    ).astype(np.float32)
    names = tuple(f"channel{c}" for c in range(channels))
    return Sample(
        "check",
        "check",
        "check",
        image,
        mask,
        np.ones_like(mask),
        names,
        VolumeStatistics.of(image),
    )


def squared_error(decoded: Decoded, sample: Sample) -> float:
    return float(np.square(decoded.image - sample.image).mean())


def check_files_keep_to_the_budget(subject: Subject) -> None:
    """No file is longer than max_bytes."""
    for budget in BUDGETS:
        length = len(subject.make().encode(picture(), budget))
        assert length <= budget, f"{length} bytes where {budget} were allowed"


def check_too_small_a_budget_fails_by_name(subject: Subject) -> None:
    """Where nothing fits it raises CellFailed: one row says why and the others go on."""
    try:
        data = subject.make().encode(picture(), 4)
    except CellFailed:
        return
    except Exception as error:
        raise AssertionError(f"a budget of 4 bytes raises {type(error).__name__}") from error
    raise AssertionError(f"a budget of 4 bytes gives a file of {len(data)}")


def check_round_trip_gives_a_picture(subject: Subject) -> None:
    """A decoded picture is float32 [H, W, C] in [0, 1] and resembles what was encoded; one channel
    and three.
    """
    for channels in (1, 3):
        sample, codec = picture(channels), subject.make()
        image = codec.decode(codec.encode(sample, channels * BUDGETS[-1])).image
        found, expected = (str(image.dtype), image.shape), ("float32", sample.image.shape)
        assert found == expected, f"it is {found}, not {expected}"
        assert image.min() >= 0 and image.max() <= 1, (
            f"it is in [{image.min():.3g}, {image.max():.3g}]"
        )
        rms = float(np.sqrt(np.square(image - sample.image).mean()))
        assert rms < 0.05, (
            f"{channels} channel(s) at 2.3 bits a pixel each: {rms:.3f} away on average"
        )


def check_more_bytes_are_better(subject: Subject) -> None:
    """The squared error falls as the budget grows."""
    sample, codec = picture(), subject.make()
    errors = [
        squared_error(codec.decode(codec.encode(sample, budget)), sample) for budget in BUDGETS
    ]
    assert errors[0] > errors[1] > errors[2], (
        f"{BUDGETS} bytes give squared errors of " + ", ".join(f"{e:.2g}" for e in errors)
    )


def check_a_mask_that_is_sent_is_exact(subject: Subject) -> None:
    """A codec that returns a mask returns the one that it was given."""
    sample, codec = picture(), subject.make()
    mask = codec.decode(codec.encode(sample, BUDGETS[-1])).mask
    if mask is not None:
        assert mask.dtype == bool and np.array_equal(mask, sample.mask), "it is another mask"


def check_a_mask_is_sent_where_that_is_declared(subject: Subject) -> None:
    """`sends_mask` says whether decode returns a mask."""
    sample, codec = picture(), subject.make()
    sent = codec.decode(codec.encode(sample, BUDGETS[-1])).mask is not None
    declared = subject.declared["sends_mask"]
    assert sent == declared, (
        f"it is declared with sends_mask={declared}, and decode returns"
        f" {'a' if sent else 'no'} mask"
    )


def check_files_begin_with_the_declared_magic(subject: Subject) -> None:
    """`magic` tells its files: benchmark/plugins/magic.py says how."""
    magic = subject.declared["magic"]
    if not magic:
        raise Skip("it declares no magic, so `decode` cannot tell its files")
    for channels in (1, 3):
        data = subject.make().encode(picture(channels), channels * BUDGETS[-1])
        assert recognized(data, magic), f"a file begins with {data[:8]!r}, and magic is {magic!r}"


def check_the_label_is_short(subject: Subject) -> None:
    """`label` has 1 to 8 characters; without one, tables show the name."""
    label = subject.declared["label"]
    if label is not None:
        assert 0 < len(label) <= LONGEST_LABEL, f"{label!r} has {len(label)} characters"


def check_the_suffix_begins_with_a_dot(subject: Subject) -> None:
    """`suffix` is a dot and at least one letter or digit."""
    suffix = subject.declared["suffix"]
    assert suffix.startswith(".") and suffix[1:].isalnum(), f"the suffix is {suffix!r}"


def check_encode_leaves_the_sample_untouched(subject: Subject) -> None:
    """encode does not write into the picture or its mask."""
    sample = picture()
    before = sample.image.copy(), sample.mask.copy()
    subject.make().encode(sample, BUDGETS[0])
    assert np.array_equal(sample.image, before[0]) and np.array_equal(sample.mask, before[1]), (
        "they have other values"
    )


def check_amnesia(subject: Subject) -> None:
    """The bytes alone make the picture: another object decodes it, after other files, and so does a
    fresh process.
    """
    codec, sample = subject.make(), picture()
    data = codec.encode(sample, BUDGETS[1])
    expected = codec.decode(data).image
    codec.encode(picture(seed=1), BUDGETS[1])
    assert np.array_equal(codec.decode(data).image, expected), (
        "the file encoded last changes what an earlier one decodes to"
    )
    assert np.array_equal(subject.make().decode(data).image, expected), (
        "another object decodes another picture"
    )
    if subject.entry is not None:
        assert np.array_equal(decode_codec(subject.entry.name, data), expected), (
            "a fresh process decodes another picture"
        )
