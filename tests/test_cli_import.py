"""`import`: weights made elsewhere become checkpoints; what is in a file is never run."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import safetensors.torch
import torch

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.networks import foreign
from benchmark.networks.checkpoints import default_path, find_checkpoint
from benchmark.networks.network import load_network
from benchmark.plugins.index import get
from tests import foreign_files as files

TINY = ["--plugin", str(Path(__file__).parent / "tiny.py"), "--dataset", "tiny"]


def unet(channels: int = 1, base: int = 2, name: str = "unet"):
    torch.manual_seed(0)
    module = get("segmenter", name).load()(channels, base=base)
    with torch.no_grad():
        module.train()(
            torch.rand(2, channels, 32, 32), torch.tensor([[0.3, 0.2, 0.1, 0.9]] * 2)
        )  # statistics that are not 0 and 1
    return module.eval()


def ask(*words: str, segmenter: str = "unet") -> int:
    return main(["import", "--segmenter", segmenter, *TINY, *map(str, words)])


def agrees(module: torch.nn.Module, segmenter: str = "unet") -> bool:
    network = load_network(find_checkpoint(segmenter, "tiny", channels=("gray",)))
    image, volume = torch.rand(2, 32, 48, 1), torch.tensor([[0.3, 0.2, 0.1, 0.9]] * 2)
    return torch.allclose(
        network.logits(image, volume), module(image.permute(0, 3, 1, 2), volume)[:, 0], atol=1e-4
    )


@pytest.mark.parametrize(
    "wrapped", ["plain", "state_dict", "DataParallel", "Lightning", "safetensors", "no counts"]
)
def test_a_state_dict_in_every_wrapper(tmp_path, capsys, wrapped):
    module = unet()
    state, file = module.state_dict(), tmp_path / "weights.pt"
    if wrapped == "safetensors":
        file = tmp_path / "weights.safetensors"
        safetensors.torch.save_file(state, file)
    else:
        torch.save(
            {
                "plain": state,
                "state_dict": {"epoch": 3, "state_dict": state},
                "DataParallel": {f"module.{name}": w for name, w in state.items()},
                "Lightning": {"state_dict": {f"model.{name}": w for name, w in state.items()}},
                "no counts": {
                    name: w for name, w in state.items() if not name.endswith("num_batches_tracked")
                },
            }[wrapped],
            file,
        )
    assert ask("--set", "base=2", "--file", file) == 0
    assert (
        "use it: python -m benchmark run --segmenter unet --dataset tiny" in capsys.readouterr().out
    )
    assert agrees(module)


def test_the_card_says_where_the_weights_come_from(tmp_path, capsys):
    file, out = tmp_path / "weights.pt", tmp_path / "mine.safetensors"
    torch.save(unet().state_dict(), file)
    assert ask("--set", "base=2", "--file", file, "--out", out, "--json") == 0
    card = json.loads(capsys.readouterr().out)
    assert card["imported"] == {
        "file": "weights.pt",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "address": None,
    }
    assert (
        card["channels"] == ["gray"]
        and card["options"] == {"base": 2}
        and "train_patients" not in card
    )
    assert (
        card["parameters"] == sum(p.numel() for p in unet().parameters())
        and "nothing is known of the patients" in card["note"]
    )
    assert find_checkpoint(f"unet@{out}", "tiny").card == card and str(tmp_path) not in json.dumps(
        card
    )
    with safetensors.safe_open(out, "pt") as written:  # bit by bit as it came, not rounded
        assert written.get_tensor("head.weight").dtype == torch.float32


@pytest.mark.parametrize(
    "options, said",
    [
        (["--set", "base=4"], "down.0.0.weight is [2, 1, 3, 3], not [4, 1, 3, 3]"),
        (
            ["--set", "base=2", "--channels", "a,b"],
            "down.0.0.weight is [2, 1, 3, 3], not [2, 2, 3, 3]",
        ),
        (["--set", "base=-1"], "with {'base': -1}\nfound: it cannot be built"),
        (["--set", "base=2", "--channels", ""], "--channels ''"),
        (["--set", "base=2", "--channels", "a,,b"], "each once"),
        (["--set", "base=2", "--channels", "a,a"], "each once"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, capsys, options, said):
    torch.save(unet().state_dict(), tmp_path / "w.pt")
    assert ask("--file", tmp_path / "w.pt", *options) == 2
    assert said in capsys.readouterr().err and not default_path("unet", "tiny").exists()
    assert ask("--file", tmp_path / "w.pt", segmenter="unet-4") == 2
    assert "names are missing, such as" in capsys.readouterr().err


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("inside", ["alone", "beside weights"])
def test_a_pickle_that_would_run_something_is_refused(tmp_path, capsys, inside):
    mark, file = tmp_path / "ran", tmp_path / "w.pt"
    torch.save(
        Evil(mark) if inside == "alone" else {**unet().state_dict(), "extra": Evil(mark)}, file
    )
    assert ask("--set", "base=2", "--file", file) == 2
    error = capsys.readouterr().err
    assert "more than tensors, and was not run" in error and "mkdir" in error and not mark.exists()


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda name, w: (1, w), "no state dict"),
        (lambda name, w: (name, w.to("meta")), "a shape without numbers"),
        (lambda name, w: (name, w.to_sparse() if w.dim() else w), "sparse"),
        (lambda name, w: (name, w.to(torch.complex64)), "complex"),
        (
            lambda name, w: (name, w * 1e30 if name.startswith("head") else w),
            "no probability comes of them",
        ),
    ],
)
def test_tensors_that_are_no_weights(tmp_path, capsys, change, said):
    torch.save(dict(change(name, w) for name, w in unet().state_dict().items()), tmp_path / "w.pt")
    assert ask("--set", "base=2", "--file", tmp_path / "w.pt") == 2
    assert said in capsys.readouterr().err and not default_path("unet", "tiny").exists()


def test_files_that_are_no_weights(tmp_path, capsys):
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    torch.save(
        {**unet().state_dict(), "head.bias": torch.tensor([float("nan")])}, tmp_path / "nan.pt"
    )
    whole = tmp_path / "cut.pt"
    torch.save(unet().state_dict(), whole)
    whole.write_bytes(whole.read_bytes()[:-1000])
    for name, said in (
        ("text.pt", "cannot be read"),
        ("empty.pt", "no state dict"),
        ("nan.pt", "head.bias holds values that are not"),
        ("cut.pt", "cannot be read"),
        ("absent.pt", "no such file"),
    ):
        assert ask("--set", "base=2", "--file", tmp_path / name) == 2
        assert said in capsys.readouterr().err, name
    assert ask() == 2
    assert "published weights of unet" in capsys.readouterr().err
    assert ask("--file", tmp_path, "--trust", segmenter="torch-export") == 2


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The authors' file, served from this machine: untrained weights under their names; only the
    digits of its name are known.
    """
    folder = tmp_path / "served"
    folder.mkdir()
    torch.save(unet(3, 32, "unet-buda").state_dict(), folder / "w.pt")
    digits = hashlib.sha256((folder / "w.pt").read_bytes()).hexdigest()[:8]
    file = (folder / "w.pt").rename(folder / f"unet-{digits}.pt")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))
    )
    Thread(target=server.serve_forever, daemon=True).start()
    source = foreign.Source(
        f"http://127.0.0.1:{server.server_port}/{file.name}", file.name, f"sha256:{digits}"
    )
    monkeypatch.setitem(
        foreign.PUBLISHED, "unet-buda", replace(foreign.PUBLISHED["unet-buda"], source=source)
    )
    yield file
    server.shutdown()
    server.server_close()


def test_published_weights_are_downloaded_and_checked(published, capsys):
    words = ["import", "--segmenter", "unet-buda", "--dataset", "lgg"]  # needs none of its images
    assert main(words) == 0
    out = capsys.readouterr().out
    assert (
        "(pre-contrast, flair, post-contrast), 7,763,041 parameters" in out
        and "--dataset lgg --set lgg.channel=all" in out
    )
    by_net = find_checkpoint("unet-buda", "lgg").hash
    assert (
        main([*words, "--file", str(published), "--json"]) == 0
    )  # the same file at hand is known by its checksum
    card = json.loads(capsys.readouterr().out)
    assert card["imported"]["address"].endswith(published.name) and card["channels"] == [
        "pre-contrast",
        "flair",
        "post-contrast",
    ]
    assert len(by_net) == 16
    fetched = default_path("x", "y").parents[1] / "downloads" / published.name
    fetched.unlink()
    published.write_bytes(published.read_bytes() + b"x")
    assert main(words) == 2
    assert (
        "what came is another file: its sha256 is" in capsys.readouterr().err
        and not fetched.exists()
    )


def test_names_of_the_published_release():
    """github.com/mateuszbuda/brain-segmentation-pytorch, unet.py: the release has these names."""
    names = set(get("segmenter", "unet-buda").load()(3).state_dict())
    assert (
        len(names) == 118
        and {
            "encoder1.enc1conv1.weight",
            "bottleneck.bottlenecknorm2.running_var",
            "upconv4.bias",
            "decoder1.dec1conv2.weight",
            "conv.bias",
        }
        <= names
    )
    assert foreign.PUBLISHED["unet-buda"].source.url.endswith(
        "/releases/download/v1.0/unet-e012d006.pt"
    )


def test_a_program_becomes_a_checkpoint_like_any_other(tmp_path, capsys):
    file = tmp_path / "mine.pt2"
    file.write_bytes(files.program(files.Edges))
    assert ask("--file", file, "--trust", segmenter="torch-export") == 0
    assert "10 parameters" in capsys.readouterr().out and agrees(
        files.made(files.Edges), "torch-export"
    )
    file.write_bytes(files.program(shape=(1, 1, 16, 24), fixed=True))
    assert ask("--file", file, "--set", "multiple=8", "--trust", segmenter="torch-export") == 0
    assert "fixed shapes: it reads 16 x 24 only" in capsys.readouterr().out
    file.write_bytes(files.program(shape=(2, 3, 16, 24)))
    assert ask("--file", file, "--trust", segmenter="torch-export") == 2
    assert "reads 3 channels, not 1" in capsys.readouterr().err


def test_what_is_imported_is_tried(tmp_path, capsys):
    class Half(files.Alone):
        def forward(self, image):
            return super().forward(image)[..., ::2, ::2]

    class Beside(files.Alone):
        def forward(self, image):
            return super().forward(image - image.mean())

    class Blind(files.Alone):
        def forward(self, image):
            return super().forward((image > 0.5).float())

    class Two(files.Alone):
        def forward(self, image):
            return super().forward(image), image

    for kind, said in (
        (Half, "of images [2, 1, 64, 96]"),
        (Two, "it gives 2 outputs"),
        (Beside, "depends on the images beside it"),
        (Blind, "no finite gradient"),
    ):
        (tmp_path / "m.pt2").write_bytes(files.program(kind))
        assert ask("--file", tmp_path / "m.pt2", "--trust", segmenter="torch-export") == 2
        assert said in capsys.readouterr().err
    assert not default_path("torch-export", "tiny").exists()


def test_a_program_is_loaded_only_where_it_was_trusted(tmp_path, capsys, monkeypatch):
    file, out = tmp_path / "mine.pt2", tmp_path / "mine.safetensors"
    file.write_bytes(files.program(files.Edges))
    assert ask("--file", file, "--out", out, segmenter="torch-export") == 2
    said = capsys.readouterr().err
    assert "may run code of whoever made it" in said and "--trust" in said and not out.exists()
    assert ask("--file", file, "--out", out, "--trust", segmenter="torch-export") == 0
    card = find_checkpoint(f"torch-export@{out}", "tiny").card
    assert card["imported"]["trusted"] == hashlib.sha256(file.read_bytes()).hexdigest()
    load_network(find_checkpoint(f"torch-export@{out}", "tiny"))
    # The same checkpoint at a colleague's, whose cache has no word of it: its card counts nothing.
    monkeypatch.setenv("SINCO_BENCH_CACHE", str(tmp_path / "theirs"))
    with pytest.raises(InputError, match=r"nobody has said[\s\S]*import .*--file FILE .*--trust"):
        load_network(find_checkpoint(f"torch-export@{out}", "tiny"))
    safetensors.torch.save_file({"w": torch.zeros(1)}, tmp_path / "w.safetensors")
    assert ask("--file", tmp_path / "w.safetensors", "--trust", segmenter="torch-export") == 2
    assert "its files are damaged: KeyError: 'program'" in capsys.readouterr().err
    assert ask("--file", out, "--trust", segmenter="torch-export") == 0
    assert agrees(files.made(files.Edges), "torch-export")
    load_network(find_checkpoint(f"torch-export@{out}", "tiny"))


def test_trust_is_for_programs_alone(tmp_path, capsys):
    torch.save(unet().state_dict(), tmp_path / "w.pt")
    assert ask("--set", "base=2", "--file", tmp_path / "w.pt", "--trust") == 2
    assert "nothing in it is run" in capsys.readouterr().err


def test_options_that_ask_for_more_than_the_file_holds(tmp_path, capsys):
    torch.save(unet().state_dict(), tmp_path / "w.pt")
    assert ask("--set", "base=4000", "--file", tmp_path / "w.pt") == 2
    assert "not [4000, 1, 3, 3]" in capsys.readouterr().err


def test_onnx_is_a_reader(tmp_path, capsys):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    assert ask("--file", files.onnx_file(files.made(), tmp_path / "n.onnx"), segmenter="onnx") == 0
    assert "run --reader onnx --dataset tiny" in capsys.readouterr().out
    network, image = load_network(find_checkpoint("onnx", "tiny")), torch.rand(2, 32, 48, 1)
    assert torch.allclose(
        network.logits(image, torch.ones(2, 4)),
        files.made()(image.permute(0, 3, 1, 2))[:, 0],
        atol=1e-5,
    )
    assert main(["run", "--segmenter", "onnx", *TINY, "--steps", "1"]) == 2
    assert "--reader" in capsys.readouterr().err


def test_nnunet_folder(tmp_path, capsys):
    pytest.importorskip("dynamic_network_architectures")
    folder, _ = files.nnunet_folder(tmp_path / "results")
    assert ask("--file", folder, segmenter="nnunet") == 0
    out = capsys.readouterr().out
    assert "from checkpoint_final.pth" in out
    assert load_network(find_checkpoint("nnunet", "tiny")).logits(
        torch.rand(2, 32, 48, 1), torch.ones(2, 4)
    ).shape == (2, 32, 48)


def test_without_weights_import_is_what_to_type():
    with pytest.raises(InputError) as caught:
        find_checkpoint("torch-export", "tiny")
    assert (
        caught.value.todo
        == "python -m benchmark import --segmenter torch-export --dataset tiny --file FILE"
    )


def test_a_checkpoint_goes_where_train_would_put_it(tmp_path, capsys):
    command = [
        "import",
        "--segmenter",
        "unet",
        "--dataset",
        "mni-lesion",
        "--file",
        str(tmp_path / "w.pt"),
        "--out",
    ]
    assert main([*command, str(tmp_path)]) == 2 and "it is a folder" in capsys.readouterr().err
    assert (
        main([*command, str(tmp_path / "w.png")]) == 2
        and "does not end in .safetensors" in capsys.readouterr().err
    )
