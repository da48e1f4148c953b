"""Which device computes."""

from __future__ import annotations

from benchmark.errors import InputError, call, field


def resolve_device(asked: str) -> str:
    """`auto` is CUDA when there, else the CPU; raises InputError where CUDA is asked for and
    absent.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked not in ("cpu", "cuda"):
        todo = f"{field('device', 'auto')}, cpu or cuda"
        raise InputError(field("device", asked), "no such device", todo)
    if asked == "cuda" and not torch.cuda.is_available():
        raise InputError(
            field("device", "cuda"),
            "this PyTorch finds no GPU",
            f"{field('device', 'cpu')}, or {call('doctor')}",
        )
    return asked
