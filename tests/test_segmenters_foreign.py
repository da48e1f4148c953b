"""Networks of other libraries and formats: their sizes, padding, and what a file may not make this
program do.
"""

from __future__ import annotations

import io
import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from benchmark.checks import Subject, run_checks
from benchmark.errors import InputError
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


def loaded(name: str, data: bytes, channels: int = 1, **options):
    module = plugin(name)(channels, **options)
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
    with pytest.raises(InputError, match="batches of 2 images only"):
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


def _node(target: str):
    def change(model):
        model["graph_module"]["graph"]["nodes"][0]["target"] = target
        return model

    return change


def _text(before: str, after: str):
    return lambda model: json.loads(
        json.dumps(model).replace(json.dumps(before)[1:-1], json.dumps(after)[1:-1])
    )


def _pickled(config):
    next(iter(config["config"].values()))["use_pickle"] = True
    return config


SIZE = "Symbol('s"
REFUSED = {
    "a function of torch": ({"model": _node("torch.hub.load")}, "operator 'torch.hub.load'"),
    "a file read": ({"model": _node("torch.ops.aten.from_file.default")}, "from_file"),
    "an operator of Python": ({"model": _node("_operator.methodcaller")}, "methodcaller"),
    "a size that calls": ({"model": _text(SIZE, "exit(0)+" + SIZE)}, "calls exit"),
    "a size that calls a bracket": ({"model": _text(SIZE, "(exit)(0)+" + SIZE)}, "which calls [)]"),
    "a size with a text": ({"model": _text(SIZE, "__import__('os')+" + SIZE)}, "the size"),
    "a name that is code": ({"model": _text("conv2d", "c; import os")}, "the name"),
    "a pickled weight": ({"weights": _pickled}, "as a pickle"),
    "a compiled library": ({"more": lambda _: "data/aotinductor/model/x.so"}, "compiled code"),
    "an unknown file": ({"more": lambda _: "data/other"}, "no plain program has"),
    "a file twice": ({"more": lambda _: "models/model.json"}, "twice"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", REFUSED)
def test_programs_that_could_hide_something_are_refused(case):
    new, why = REFUSED[case]
    data = files.changed(files.program(), **new)
    assert data != files.program()
    with pytest.raises(InputError, match=f"it holds [\\s\\S]*{why}"):
        loaded("torch-export", data)


def test_code_in_what_is_not_needed_never_runs(tmp_path):
    """torch.export.load would run both: guards as Python, sample inputs as a pickle."""
    mark, evil = tmp_path / "ran", io.BytesIO()
    torch.save(Evil(mark), evil)
    for new in (
        {"sample": lambda _: evil.getvalue()},
        {
            "model": lambda model: (
                model | {"guards_code": [f"__import__('os').mkdir({str(mark)!r}) or True"]}
            )
        },
    ):
        program = loaded("torch-export", files.changed(files.program(), **new))
        assert (
            program(torch.rand(2, 1, 16, 16), VOLUME[:2]).shape == (2, 1, 16, 16)
            and not mark.exists()
        )


@pytest.mark.parametrize("data", [b"", b"hello", files.__file__.encode() * 50])
def test_files_that_are_no_program(data):
    with pytest.raises(InputError, match="cannot read it|no program"):
        loaded("torch-export", data or b"PK")


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


# nnU-Net


def nnunet(folder: Path, channels: int = 1):
    from benchmark.networks.foreign import load_by_name, read_state

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
