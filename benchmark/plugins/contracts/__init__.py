"""The contracts: what the engine asks of a plug-in, one typed Protocol a kind.

Each kind has a file of its own here. A plug-in needs no base class: it has what its Protocol has.
Authors import all of it from `benchmark.plugins`; docs/plug-ins/ has one page a kind.
"""

from __future__ import annotations

from benchmark.plugins.contracts.codec import Codec, Decoded
from benchmark.plugins.contracts.constants import philox_normal, philox_uniform
from benchmark.plugins.contracts.dataset import Dataset, data_root
from benchmark.plugins.contracts.inr import INR, FusedMLP
from benchmark.plugins.contracts.optimizer import Optimizer
from benchmark.plugins.contracts.regularizer import LossNetwork, Penalty, Regularizer
from benchmark.plugins.contracts.segmenter import Segmenter

__all__ = [
    "INR",
    "Codec",
    "Dataset",
    "Decoded",
    "FusedMLP",
    "Optimizer",
    "Penalty",
    "LossNetwork",
    "Regularizer",
    "Segmenter",
    "data_root",
    "philox_normal",
    "philox_uniform",
]
