"""Networks of other libraries and formats: their sizes, padding, and what a file may not make this
program do.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import pytest
import torch

from benchmark.checks import Subject, run_checks
from benchmark.errors import InputError
from benchmark.networks.foreign import load_by_name, read_state, take_over, tried
from benchmark.networks.trust import trust
from benchmark.networks.weights import build
from benchmark.plugins.index import get
from tests import foreign_files as files

VOLUME = torch.tensor([[0.3, 0.2, 0.1, 0.9]] * 3)


def plugin(name: str):
    """The class of a segmenter, where its library is installed and can be imported."""
    try:
        return get("segmenter", name).load()
    except InputError as error:
        pytest.skip(error.found)


def tensor(data: bytes) -> dict[str, torch.Tensor]:
    return {"program": torch.frombuffer(bytearray(data), dtype=torch.uint8)}


def loaded(name: str, data: bytes, channels: int = 1, trusted: bool = True, **options):
    module = plugin(name)(channels, **options)
    if trusted:
        trust(hashlib.sha256(data).hexdigest(), "a test")
    module.load_state_dict(tensor(data))
    return module.eval().requires_grad_(False)


# As documented by their authors, where they do: an upstream change is noticed here.
@pytest.mark.parametrize(
    "name, channels, options, count",
    [
        ("smp", 3, {"architecture": "unet", "encoder": "resnet34"}, 24_436_369),
        ("attention-unet", 1, {"base": 64}, 31_739_185),
        ("segresnet", 1, {"base": 32}, 6_298_497),
        ("unetr", 1, {"base": 16, "width": 768, "heads": 12}, 87_186_353),
        ("swin-unetr", 1, {"base": 24}, 6_302_203),
    ],
)
def test_parameters(name, channels, options, count):
    network = plugin(name)
    with (
        nullcontext() if name == "swin-unetr" else torch.device("meta")
    ):  # MONAI looks at values while it builds that one
        assert sum(p.numel() for p in network(channels, **options).parameters()) == count


@pytest.mark.parametrize("name", ["smp", "segresnet", "swin-unetr", "unetr"])
def test_any_size_is_padded_and_cut(name):
    module = plugin(name)(1).eval()
    with torch.no_grad():
        assert module(torch.rand(1, 1, 50, 70), VOLUME[:1]).shape == (1, 1, 50, 70)


def test_what_they_cannot_build_is_said():
    with pytest.raises(InputError, match="no-such-encoder"):
        plugin("smp")(1, encoder="no-such-encoder")
    for name, base in (("segresnet", 12), ("swin-unetr", 8)):
        with pytest.raises(InputError, match="not a multiple of"):
            plugin(name)(1, base=base)
    with pytest.raises(InputError, match="not a multiple of 16"):
        plugin("unetr")(1, size=100)
    with pytest.raises(InputError, match=r"at most 32 x 32[\s\S]*size=48"):
        plugin("unetr")(1, size=32, width=12, heads=2)(torch.rand(1, 1, 32, 48), VOLUME[:1])


# torch.export


@pytest.mark.parametrize("kind", [files.Alone, files.Edges], ids=["image", "image and volume"])
def test_a_program_passes_the_checks_of_a_segmenter(kind):
    def factory(channels: int):
        return loaded("torch-export", files.program(kind, (2, channels, 16, 24)), channels)

    results = list(run_checks("segmenter", Subject.of(factory, kind="segmenter", multiple=1)))
    assert (
        not [str(result) for result in results if result.status != "passed"] and len(results) == 8
    )


def test_a_program_answers_as_its_module_does():
    module, program = files.made(files.Edges), loaded("torch-export", files.program(files.Edges))
    image = torch.rand(
        3, 1, 20, 30, requires_grad=True
    )  # padded to 32 x 32: black is not what a convolution pads with
    inside = torch.nn.functional.pad(image, (0, 2, 0, 12))
    for count in (1, 2, 3):
        assert torch.allclose(
            program(image[:count], VOLUME[:count]),
            module(inside[:count], VOLUME[:count])[..., :20, :30],
            atol=1e-6,
        )
    gradient, expected = (
        torch.autograd.grad(y.sum(), image)[0]
        for y in (program(image, VOLUME), module(inside, VOLUME)[..., :20, :30])
    )
    assert torch.allclose(gradient, expected, atol=1e-5) and not any(
        p.requires_grad for p in program.parameters()
    )


def test_classes_are_merged_to_the_odds_of_all_but_the_first():
    program = loaded("torch-export", files.program(classes=3))
    image = torch.rand(2, 1, 16, 16)
    p = torch.softmax(files.made(classes=3)(image), 1)
    assert torch.allclose(torch.sigmoid(program(image, VOLUME[:2])), 1 - p[:, :1], atol=1e-6)


def test_fixed_shapes_are_said():
    program = loaded("torch-export", files.program(shape=(1, 1, 16, 24), fixed=True), multiple=1)
    assert program(torch.rand(3, 1, 16, 24), VOLUME).shape == (3, 1, 16, 24)  # image by image
    with pytest.raises(
        InputError,
        match=r"shapes are fixed: it reads 16 x 24 pixels, not 32 x 24[\s\S]*export it again",
    ):
        program(torch.rand(1, 1, 32, 24), VOLUME[:1])
    with pytest.raises(InputError, match="a batch of any size"):
        loaded("torch-export", files.program(fixed=True))
    with pytest.raises(InputError, match="reads 1 channels, not 3"):
        loaded("torch-export", files.program(), channels=3)
    with pytest.raises(InputError, match="it has no program"):
        plugin("torch-export")(1)(torch.rand(1, 1, 16, 16), VOLUME[:1])


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_program_runs_nothing_before_it_is_trusted(tmp_path):
    """torch.export.load runs what it finds: here sample inputs as a pickle."""
    mark, evil = tmp_path / "ran", io.BytesIO()
    torch.save(Evil(mark), evil)
    guards = [f"__import__('os').mkdir({str(tmp_path / 'guarded')!r}) or True"]
    for new in (
        {"sample": lambda _: evil.getvalue()},
        {"model": lambda model: model | {"guards_code": guards}},
    ):
        data = files.changed(files.program(), **new)
        with pytest.raises(InputError, match=r"may run code of whoever made it[\s\S]*--trust"):
            loaded("torch-export", data, trusted=False)
    assert not list(tmp_path.iterdir())
    trust(hashlib.sha256(files.program()).hexdigest(), "another program")
    with pytest.raises(InputError, match="--trust"):  # that one is trusted, not this
        loaded("torch-export", data, trusted=False)


@pytest.mark.parametrize("data", [b"PK", b"hello", files.__file__.encode() * 50])
def test_files_that_are_no_program(data):
    with pytest.raises(InputError, match="cannot read it"):
        loaded("torch-export", data)


def mutated(data: bytes, seed: int) -> bytes:
    """A file with eight bytes changed, or on every fourth seed cut short."""
    rng = random.Random(seed)
    if seed % 4 == 3:
        return data[: rng.randrange(len(data))]
    other = bytearray(data)
    for _ in range(8):
        other[rng.randrange(len(other))] = rng.randrange(256)
    return bytes(other)


def answers_or_refuses(name: str, data: bytes) -> bool:
    """Whether a damaged file is refused; any other error is one of ours."""
    try:
        module = loaded(name, data)
        tried(module, 1, get("segmenter", name).declared, "a damaged file")
    except InputError:
        return True
    return False


def damaged(value: object, rng: random.Random) -> object:
    """JSON with one of its values, at any depth, replaced by another."""
    if isinstance(value, dict | list) and value and rng.random() < 0.95:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key, other = rng.choice(list(keys)), value.copy()
        other[key] = damaged(other[key], rng)
        return other
    return rng.choice([None, -1, 0, 10**6, 0.5, "", "x", [], {}, [1], {"a": 1}])


def test_damaged_programs_are_refused_or_read(caplog):
    data, refusals = files.program(), 0
    for seed in range(30):
        rng = random.Random(seed)
        if seed % 3 == 0:
            other = mutated(data, seed)
        else:
            what = ("model", "weights")[seed % 3 - 1]
            other = files.changed(data, **{what: lambda json, rng=rng: damaged(json, rng)})
        refusals += answers_or_refuses("torch-export", other)
    assert refusals > 12
    assert "Ran into" not in caplog.text  # torch would log a traceback


# ONNX


def test_onnx_reads_and_refuses_to_stand_in_the_loss(tmp_path):
    pytest.importorskip("onnx")
    network = files.made()
    module = loaded("onnx", files.onnx_file(network, tmp_path / "n.onnx").read_bytes())
    image = torch.rand(3, 1, 32, 48)
    expected = network(image)
    assert torch.allclose(module(image, VOLUME), expected, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(module(image.requires_grad_(), VOLUME), expected, atol=1e-5)
    with pytest.raises(
        InputError,
        match=(
            r"cannot stand in the loss[\s\S]*use it as --reader, or export the network with"
            r" torch.export"
        ),
    ):
        module(image, VOLUME)
    p = loaded(
        "onnx",
        files.onnx_file(network, tmp_path / "p.onnx", sigmoid=True).read_bytes(),
        output="probability",
    )
    assert torch.allclose(p(image.detach(), VOLUME), expected, atol=1e-3)
    with pytest.raises(InputError, match="reads 1 channels, not 3"):
        loaded("onnx", (tmp_path / "n.onnx").read_bytes(), channels=3)
    with pytest.raises(InputError, match="cannot read it"):
        loaded("onnx", b"hello")
    import onnx

    two = onnx.load(tmp_path / "n.onnx")
    two.graph.output.append(
        onnx.helper.make_tensor_value_info(two.graph.input[0].name, onnx.TensorProto.FLOAT, None)
    )
    with pytest.raises(InputError, match="it gives 2 outputs"):
        loaded("onnx", two.SerializeToString())


def test_damaged_onnx_files_are_refused_or_read(tmp_path):
    pytest.importorskip("onnx")
    data = files.onnx_file(files.made(), tmp_path / "n.onnx").read_bytes()
    refusals = [answers_or_refuses("onnx", mutated(data, seed)) for seed in range(80)]
    assert sum(refusals) > 20


# nnU-Net


def nnunet(folder: Path, channels: int = 1):
    state, options = plugin("nnunet").imported(folder, read_state)
    module = plugin("nnunet")(channels, **options)
    load_by_name(module, state, "it")
    return module.eval()


def test_nnunet_answers_as_its_network_does(tmp_path):
    plugin("nnunet")
    folder, network = files.nnunet_folder(tmp_path / "results")
    module, image = nnunet(folder), torch.rand(2, 1, 6, 7)
    padded = torch.nn.functional.pad(
        image, (0, 1, 0, 2)
    )  # its strides are 2 x 2 and 2 x 1: multiples of 4
    logits = network((padded - 0.3) / 0.2 * (padded > 0.02))
    expected = torch.logsumexp(logits[:, 1:], 1, keepdim=True) - logits[:, :1]
    assert torch.allclose(module(image, VOLUME[:2]), expected[..., :6, :7], atol=1e-5)


def test_nnunet_of_old_plans_and_of_regions(tmp_path):
    plugin("nnunet")
    old = {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 8,
        "conv_kernel_sizes": [[3, 3]] * 3,
        "pool_op_kernel_sizes": [[1, 1], [2, 2], [2, 1]],
        "n_conv_per_stage_encoder": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
    }
    folder, network = files.nnunet_folder(
        tmp_path / "old",
        architecture=None,
        **old,
        use_mask_for_norm=[False],
        normalization_schemes=["NoNormalization"],
    )
    image = torch.rand(1, 1, 8, 8)
    logits = network(image)
    assert torch.allclose(
        nnunet(folder)(image, VOLUME[:1]),
        torch.logsumexp(logits[:, 1:], 1, keepdim=True) - logits[:, :1],
        atol=1e-5,
    )
    folder, network = files.nnunet_folder(
        tmp_path / "regions",
        {"whole": [1, 2], "core": [2]},
        normalization_schemes=["NoNormalization"],
    )
    assert torch.allclose(
        nnunet(folder)(image, VOLUME[:1]), network(image).amax(1, keepdim=True), atol=1e-5
    )


def test_nnunets_that_cannot_be_used_say_why(tmp_path):
    plugin("nnunet")
    for i, (changes, why) in enumerate(
        [
            ({"normalization_schemes": ["CTNormalization"]}, "normalises by CTNormalization"),
            (
                {"architecture": {"network_class_name": "os.system", "arch_kwargs": {}}},
                "its network is os.system",
            ),
            (
                {
                    "architecture": {
                        **files.setup()["architecture"],
                        "arch_kwargs": {**files.ARCHITECTURE, "nonlin": "os.system"},
                    }
                },
                "is built with os.system",
            ),
        ]
    ):
        with pytest.raises(InputError, match=why):
            nnunet(files.nnunet_folder(tmp_path / str(i), **changes)[0])
    with pytest.raises(InputError, match="no folder with plans.json"):
        nnunet(tmp_path)
    with pytest.raises(InputError, match="reads 1 channels, not 3"):
        nnunet(files.nnunet_folder(tmp_path / "three")[0], channels=3)


WRONG: dict[str, list[object]] = {
    "plans.json": [
        "{",
        [],
        {},
        {"configurations": []},
        {"configurations": {"2d": {}}},
        {"configurations": {"2d": files.setup(normalization_schemes=5)}},
        {"configurations": {"2d": files.setup(architecture={"network_class_name": 3})}},
        {"configurations": {"2d": files.setup(architecture=[1])}},
        {"configurations": {"2d": files.setup(use_mask_for_norm=[])}},
    ],
    "dataset.json": ["", [], {}, {"labels": 3}, {"labels": {}}, {"labels": [1, 2]}],
}


def wrong_arguments() -> list[object]:
    """Plans whose every argument of the network is something else."""
    plans = []
    for name, value in product(files.ARCHITECTURE, (None, -3, {"a": 1}, [[]], 0.5)):
        architecture = {
            **files.setup()["architecture"],
            "arch_kwargs": {**files.ARCHITECTURE, name: value},
        }
        plans.append({"configurations": {"2d": files.setup(architecture=architecture)}})
    return plans


@pytest.mark.parametrize("file", WRONG)
def test_nnunet_folders_with_wrong_json_are_refused(tmp_path, file):
    kind = plugin("nnunet")
    folder, _ = files.nnunet_folder(tmp_path / "results")
    cases = WRONG[file] + (wrong_arguments() if file == "plans.json" else [])
    refusals = 0
    for content in cases:
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / file).write_text(text)
        try:
            state, options, _ = take_over(kind, folder, "it", False)
            module = build(kind, 1, options, "it")
            load_by_name(module, state, "it")
            tried(module.eval(), 1, get("segmenter", "nnunet").declared, "it")
        except InputError:
            refusals += 1
    assert refusals >= 0.6 * len(cases)
