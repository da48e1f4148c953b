"""Which device computes."""

from __future__ import annotations

from benchmark.errors import InputError


def resolve_device(asked: str) -> str:
    """`auto` is CUDA when there, else the CPU; raises InputError where CUDA is asked for and
    absent.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked not in ("cpu", "cuda"):
        raise InputError(f"--device {asked}", "no such device", "--device auto, cpu or cuda")
    if asked == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "--device cuda",
            "this PyTorch finds no GPU",
            "--device cpu, or python -m benchmark doctor",
        )
    return asked
