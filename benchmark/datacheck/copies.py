"""Cases with equal or nearly equal pixels, or lesions of one shape, in one data set or in two."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from benchmark.datacheck.facts import Observation, listed
from benchmark.datacheck.fingerprints import Fingerprint
from benchmark.types import SPLITS

# Of 256 bits. Planes of different patients are at least 18 apart (28 of LGG), 22 (3 of BRATS) and
# 39 (112 JPEGs); copies of 200 JPEGs that were compressed again (quality 50 or 75), some resized to
# 224 or padded before, are 1 to 6 apart in the median, and 89 to 99 % of them at most 12: one in
# ten may be missed; the same plane in three releases of BRATS, flipped and scaled or z-scored: 0;
# its neighbors, 1 mm away: 12 and 15.
NEAR = 12
SHARE = 0.25  # of a case's planes that must be near those of another: chance makes a few
# Pairs looked at in one step: 8 MB of bits that differ, and what stays in a core's cache is faster.
BLOCK = 1 << 20


def find_copies(prints: Sequence[Fingerprint]) -> list[Observation]:
    """Observations of equal, near and same-masked cases; a pair is named once, by the strongest of
    these.
    """
    equal, told = _equal(prints)
    planes, told_planes = _equal_planes(prints, told)
    masks = _same_masks(prints, told)
    return [*equal, *planes, *masks, *_near(prints, told | told_planes)]


def _equal(prints: Sequence[Fingerprint]) -> tuple[list[Observation], set[tuple[int, int]]]:
    """Cases all of whose planes are equal, in groups, and the pairs that this tells of."""
    groups: dict[tuple[bytes, ...], list[int]] = defaultdict(list)
    for i, one in enumerate(prints):
        if one.planes:
            groups[tuple(digest for _, digest in one.planes)].append(i)
    out = []
    told: set[tuple[int, int]] = set()
    for group in groups.values():
        if len(group) == 1:
            continue
        told |= set(combinations(group, 2))
        said = []
        answers = set()
        sides = set()
        for i in group:
            if prints[i].case.split in SPLITS:
                sides.add(prints[i].case.split)
            answers.add((prints[i].label, prints[i].lesion))
            said.append(f"{prints[i].case.title} ({prints[i].label or 'its own mask'})")
        name = "duplicate-across-splits" if len(sides) > 1 else "duplicate"
        out.append(Observation(name, _titles(prints, group), _with_splits(prints, group)))
        if len(answers) > 1:
            out.append(Observation("contradiction", _titles(prints, group), " = ".join(said)))
    return out, told


def _equal_planes(
    prints: Sequence[Fingerprint], told: set[tuple[int, int]]
) -> tuple[list[Observation], set[tuple[int, int]]]:
    """Planes that stand twice in a case or in two, and the pairs of cases that share some."""
    where: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for i, one in enumerate(prints):
        for number, digest in one.planes:
            where[digest].append((i, number))
    within: dict[int, list[int]] = defaultdict(list)
    across: Counter[tuple[int, int]] = Counter()
    for places in where.values():
        for (i, number), (j, other) in combinations(places, 2):
            if i == j:
                within[i] += [number, other]
            elif (i, j) not in told:
                across[i, j] += 1
    out = []
    for i, numbers in within.items():
        what = f"slices {listed(sorted(set(numbers)))}"
        out.append(Observation("repeated-plane", _titles(prints, [i]), what))
    for pair, count in across.items():
        what = f"{_planes(prints, pair, count)}: {_with_splits(prints, pair)}"
        out.append(Observation("duplicate-plane", _titles(prints, pair), what))
    return out, set(across)


def _same_masks(prints: Sequence[Fingerprint], told: set[tuple[int, int]]) -> list[Observation]:
    """Cases whose lesions have one shape, unless all their pairs are told of already."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(prints):
        if one.lesion:
            groups[one.lesion].append(i)
    out = []
    for group in groups.values():
        if not set(combinations(group, 2)) <= told:
            found = Observation("same-mask", _titles(prints, group), _with_splits(prints, group))
            out.append(found)
    return out


def _near(prints: Sequence[Fingerprint], told: set[tuple[int, int]]) -> list[Observation]:
    """Pairs of cases, of which a share of the planes of the smaller one nearly agree."""
    counts = [len(one.hashes) for one in prints]
    if sum(counts) < 2:
        return []
    near = _nearest(prints, counts)
    out = []
    for pair, found in sorted(near.items()):
        fewest = min(counts[pair[0]], counts[pair[1]])
        if pair in told or len(found) < SHARE * fewest:
            continue
        least = min(found.values())
        what = (
            f"{_planes(prints, pair, len(found))}, {least} of 256 bits"
            f" differ: {_with_splits(prints, pair)}"
        )
        out.append(Observation("near-duplicate", _titles(prints, pair), what))
    return out


def _nearest(
    prints: Sequence[Fingerprint], counts: list[int]
) -> dict[tuple[int, int], dict[int, int]]:
    """Of each pair of cases: planes of the smaller case -> least distance to one of the other."""
    owner = np.repeat(np.arange(len(prints)), counts)
    names = []
    for one in prints:
        # Slices of one person that are cases of their own are neighbors, as those of one case are.
        alone = f"{one.case.dataset}/{one.case.person}"
        names.append(one.case.title if one.depth > 1 else alone)
    group = np.unique(names, return_inverse=True)[1][owner]
    hashes = np.concatenate([one.hashes for one in prints])
    near: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for a, b, distance in near_pairs(hashes, group):
        pair = min(owner[a], owner[b]), max(owner[a], owner[b])
        plane = a if (counts[owner[a]], owner[a]) <= (counts[owner[b]], owner[b]) else b
        near[pair][plane] = min(distance, near[pair].get(plane, 256))
    return near


def near_pairs(
    hashes: np.ndarray, group: np.ndarray, most: int = NEAR
) -> Iterator[tuple[int, int, int]]:
    """(i, j, bits) of hashes [n, 16, 16] of different groups that differ in at most `most` bits in
    one of four flips.

    How many bits are set in each set of four mirrored places changes with no flip, and two hashes
    differ in at least as many bits as these counts do. So one comparison of counts, of hashes that
    are alike in their sum, stands for four comparisons of bits.
    """
    corners = np.stack([flipped[:, :8, :8] for flipped in flips(hashes)]).sum(0, dtype=np.uint8)
    order = np.argsort(corners.sum((1, 2)), kind="stable")
    sums, group = corners.sum((1, 2))[order], group[order]
    # A count in unary, four bits for 0 to 4: bits that differ between two such codes are the
    # difference of the counts.
    code = np.ascontiguousarray(_packed(corners[order].reshape(len(order), 64, 1) > np.arange(4)).T)
    rows = max(1, BLOCK // max(1, len(order)))
    for start in range(0, len(order), rows):
        stop = min(len(order), start + rows)
        end = int(np.searchsorted(sums, sums[stop - 1] + most, "right"))
        apart = np.zeros((stop - start, end - start), np.uint8)
        for word in code[:-1]:
            apart += np.bitwise_count(word[start:stop, None] ^ word[None, start:end])
        # Three of four words leave little to do for the fourth.
        row, column = np.nonzero(apart <= most)
        one, other = start + row, start + column
        apart_there = apart[row, column] + np.bitwise_count(code[-1][one] ^ code[-1][other])
        keep = (apart_there <= most) & (column > row) & (group[one] != group[other])
        yield from _within(hashes, order[one[keep]], order[other[keep]], most)


def flips(pictures: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pictures [n, H, W] as they are, and flipped in either or both of their axes."""
    return pictures, pictures[:, ::-1], pictures[:, :, ::-1], pictures[:, ::-1, ::-1]


def _within(
    hashes: np.ndarray, one: np.ndarray, other: np.ndarray, most: int
) -> Iterator[tuple[int, int, int]]:
    for part in range(0, len(one), 1 << 14):
        i, j = one[part : part + (1 << 14)], other[part : part + (1 << 14)]
        bits = np.min([(flipped != hashes[j]).sum((1, 2)) for flipped in flips(hashes[i])], axis=0)
        close = bits <= most
        yield from zip(i[close].tolist(), j[close].tolist(), bits[close].tolist(), strict=True)


def _packed(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits.reshape(len(bits), -1), axis=1).view(np.uint64)


def _titles(prints: Sequence[Fingerprint], which: Sequence[int]) -> tuple[str, ...]:
    return tuple(prints[i].case.title for i in which)


def _with_splits(prints: Sequence[Fingerprint], which: Sequence[int]) -> str:
    said = []
    for i in which:
        case = prints[i].case
        said.append(f"{case.title} ({case.split or 'left out'})")
    return " = ".join(said)


def _planes(prints: Sequence[Fingerprint], pair: tuple[int, int], count: int) -> str:
    if max(prints[i].depth for i in pair) == 1:
        return "pictures"
    return f"{count:,} plane{'s' if count != 1 else ''}"
