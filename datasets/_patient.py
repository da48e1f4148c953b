"""A simulated patient: the atlas deformed, and a lesion in it. Grids are three axes (x, y, z) in mm
of the atlas.
"""

from __future__ import annotations

import numpy as np

from benchmark.plugins.datasets._atlas import CENTER, atlas
from benchmark.plugins.datasets._fields import Draws, Field

LOW, HIGH = (-20.0, 0.0, -40.0), (220.0, 240.0, 220.0)  # the box of the random fields, mm
Grid = tuple[np.ndarray, np.ndarray, np.ndarray]


class Anatomy:
    """A smooth random deformation of the atlas, and fields that fold its cortex anew."""

    def __init__(self, draws: Draws) -> None:
        turn = np.deg2rad(draws.uniforms(-7, 7, 3)) * [0.6, 0.6, 1.0]
        scale = draws.uniforms(0.92, 1.06, 3)
        self.affine = _rotation(turn) / scale
        self.bend = [Field(draws, 42, LOW, HIGH) for _ in range(3)]
        self.fold = [Field(draws, 15, LOW, HIGH) for _ in range(3)]
        self.sulci = [Field(draws, 7, LOW, HIGH) for _ in range(2)]
        self.bend_mm, self.fold_mm = draws.uniform(2.5, 4.5), draws.uniform(1.0, 1.8)
        self.atrophy = draws.uniform(0.7, 1.5)  # how much room fluid takes

    def source(self, grid: Grid) -> np.ndarray:
        """Atlas positions [3, z, y, x] of the patient's grid."""
        center = np.array(CENTER).reshape(3, 1, 1, 1)
        moved = []
        for bend, fold in zip(self.bend, self.fold, strict=True):
            moved.append(self.bend_mm * bend.on_grid(*grid) + self.fold_mm * fold.on_grid(*grid))
        turned = np.tensordot(self.affine, _points(grid) - center, 1)
        positions: np.ndarray = turned + center + np.stack(moved)
        return positions

    def tissue(self, grid: Grid, lesion: Lesion | None) -> dict[str, np.ndarray]:
        """Shares of gray and white matter and fluid, the brain and the ventricles' surroundings,
        [z, y, x] each.
        """
        source = self.source(grid)
        if lesion is not None:
            source = source - lesion.push(grid)
        maps = {
            name: atlas().at(name, source).astype(np.float64)
            for name in ("gray", "white", "brain", "ventricle")
        }
        fluid = np.clip(1 - maps["gray"] - maps["white"], 0, 1)
        # The maps are means over 152 people. Raised to a power and weighed at random, they are one
        # person's again.
        one, two = (0.55 * field.on_grid(*grid) for field in self.sulci)
        shares = (
            np.stack(
                [
                    (maps["gray"] + 0.01) * np.exp(0.7 * one),
                    (maps["white"] + 0.01) * np.exp(0.7 * two),
                    self.atrophy * (1.1 * fluid + 0.01) * np.exp(-one - two),
                ]
            )
            ** 2.5
        )
        shares /= shares.sum(axis=0)
        return {
            "gray": shares[0],
            "white": shares[1],
            "fluid": shares[2],
            "brain": maps["brain"],
            "ventricle": maps["ventricle"],
        }


class Lesion:
    """Core and edema: a warped ellipsoid in white or gray matter, with its mass effect."""

    def __init__(self, draws: Draws, anatomy: Anatomy) -> None:
        self.radius = 12 * 2.8 ** draws.uniform(0, 1)  # mm
        self.center = self._place(draws, anatomy)
        turn = _rotation(draws.uniforms(-np.pi, np.pi, 3))
        self.shape = turn @ np.diag(1 / draws.uniforms(0.75, 1.3, 3)) @ turn.T / self.radius
        self.reach = 0.85 * float(
            np.sqrt(np.linalg.inv(self.shape @ self.shape)[2, 2])
        )  # mm, up and down
        self.mass_mm = self.radius * draws.uniform(0.0, 0.3)
        self.warp = [
            Field(draws, self.radius * 0.75, LOW, HIGH),
            Field(draws, max(4.0, self.radius * 0.3), LOW, HIGH),
        ]
        self.warp_size = draws.uniform(0.08, 0.2), draws.uniform(0.03, 0.09)
        self.follow = draws.uniform(0.1, 0.45)  # how much the edema keeps to white matter
        self.edge = draws.uniform(0.03, 0.1)
        self.core_share = draws.uniform(0.35, 0.65)
        self.core_shift = draws.uniforms(-0.25, 0.25, 3).reshape(3, 1, 1, 1) * self.radius

    @staticmethod
    def _place(draws: Draws, anatomy: Anatomy) -> np.ndarray:
        """A place in the patient whose atlas tissue is gray or white matter, and mostly white."""
        low, high = np.array([42, 48, 66]), np.array([154, 188, 112])

        def fits(place: np.ndarray) -> bool:
            source = anatomy.source((place[:1], place[1:2], place[2:]))
            gray, white = (atlas().at(name, source).item() for name in ("gray", "white"))
            return bool(gray + white > 0.9 and white > 0.35)

        # About one place in four fits: of a hundred, one always does.
        return next(filter(fits, low + (high - low) * draws.uniforms(0, 1, 300).reshape(100, 3)))

    def distance(self, grid: Grid, shift: np.ndarray | float = 0.0) -> np.ndarray:
        scaled = np.tensordot(self.shape, self._away(grid) - shift, 1)
        length: np.ndarray = np.linalg.norm(scaled, axis=0)
        return length

    def _away(self, grid: Grid) -> np.ndarray:
        away: np.ndarray = _points(grid) - self.center.reshape(3, 1, 1, 1)
        return away

    def push(self, grid: Grid) -> np.ndarray:
        """How far tissue was pushed out at each point, mm [3, z, y, x]: most at the outline,
        nothing far away.
        """
        away, rho = self._away(grid), self.distance(grid)
        length = np.linalg.norm(away, axis=0) + 1e-9
        pushed: np.ndarray = away / length * (self.mass_mm * rho * np.exp((1 - rho**2) / 2))
        return pushed

    def levels(self, grid: Grid, tissue: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Level functions of the whole lesion and of its core: below 1 is inside."""
        warp = sum(
            size * field.on_grid(*grid)
            for size, field in zip(self.warp_size, self.warp, strict=True)
        )
        whole = self.distance(grid) + warp + self.follow * (1 - tissue["white"] - tissue["fluid"])
        core = self.distance(grid, self.core_shift) / self.core_share + 1.3 * warp
        return whole, np.maximum(core, whole + 0.05)


def _points(grid: Grid) -> np.ndarray:
    x, y, z = grid
    return np.stack(np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]))


def _rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] about x, y and z, in radians."""
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [k for k in range(3) if k != axis]
        step = np.eye(3)
        step[[i, i, j, j], [i, j, i, j]] = (
            np.cos(angle),
            -np.sin(angle),
            np.sin(angle),
            np.cos(angle),
        )
        turn = step @ turn
    return turn
