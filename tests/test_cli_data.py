"""data list, fetch and split as a user types them."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import sys
import tarfile
import threading
import types
from pathlib import Path

import pytest

from benchmark.cli import main
from tests.test_datasets_lgg import PATIENTS, write_patient

PLUGIN = '''
from pathlib import Path
from benchmark.plugins import Dataset, InputError, Source, data_root, register

@register.dataset("remote")
class Remote(Dataset):
    """A data set on a server."""

    licence, citation, get = "CC0", "nobody", {get!r}
    source = {source}
    kaggle = {kaggle!r}

    def __init__(self, root=None):
        self.root = root

    def fetch(self):
        return data_root(self.root, "remote", ["remote"], "scan.txt")
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Make the data set `remote` known, with a source, a Kaggle name or a registration."""

    def make(source: str = "None", kaggle: str = "", get: str = "") -> None:
        path = tmp_path / "remote.py"
        path.write_text(PLUGIN.format(source=source, kaggle=kaggle, get=get))
        monkeypatch.setenv("SINCO_BENCH_PLUGINS", str(path))
        monkeypatch.setenv("SINCO_BENCH_DATA", str(tmp_path / "data"))

    return make


@pytest.fixture
def server():
    """A server of one archive with remote/scan.txt in it: (address, archive)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("remote/scan.txt")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"scan"))
    archive = buffer.getvalue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            self.wfile.write(archive)

        def log_message(self, *_: object) -> None:
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}/remote.tar", archive
    served.shutdown()
    served.server_close()


def test_fetch_says_licence_size_and_address_first_and_then_fetches(
    plugin, server, tmp_path, capsys
) -> None:
    address, archive = server
    md5 = hashlib.md5(archive).hexdigest()
    plugin(f'Source("{address}", "remote.tar", "md5:{md5}", {len(archive)}, "tar", "remote")')
    assert main(["data", "fetch", "remote"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[:5]] == [
        "licence",
        "cite",
        "size",
        "from",
        "to",
    ]
    assert "CC0" in out and address in out and "data show remote" in out
    assert (tmp_path / "data" / "remote" / "scan.txt").read_text() == "scan"
    assert main(["data", "fetch", "remote"]) == 0
    assert "there already" in capsys.readouterr().out


def test_fetch_of_another_file_leaves_nothing(plugin, server, tmp_path, capsys) -> None:
    plugin(f'Source("{server[0]}", "remote.tar", "md5:{"0" * 32}", None, "tar", "remote")')
    assert main(["data", "fetch", "remote"]) == 2
    assert "md5" in capsys.readouterr().err and not list((tmp_path / "data").glob("**/scan.txt"))


def test_fetch_of_what_asks_for_a_registration_says_where(plugin, tmp_path, capsys) -> None:
    plugin(get="register at http://example.org/page")
    assert main(["data", "fetch", "remote"]) == 2
    error = capsys.readouterr().err
    assert "register at http://example.org/page" in error and str(tmp_path / "data") in error


def test_fetch_from_kaggle(plugin, tmp_path, monkeypatch, capsys) -> None:
    plugin(kaggle="somebody/remote")
    monkeypatch.setattr("benchmark.cli.data_fetch.find_spec", lambda name: None)
    assert main(["data", "fetch", "remote"]) == 2
    assert ".[kaggle]" in capsys.readouterr().err

    def download(handle: str, output_dir: str) -> str:
        if not Path(tmp_path / "token").exists():
            raise RuntimeError("no token")
        Path(output_dir).mkdir(parents=True)
        (Path(output_dir) / "scan.txt").write_text(handle)
        return output_dir

    monkeypatch.setattr("benchmark.cli.data_fetch.find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(dataset_download=download))
    assert main(["data", "fetch", "remote"]) == 2
    assert "no token" in capsys.readouterr().err
    (tmp_path / "token").touch()
    assert main(["data", "fetch", "remote"]) == 0
    assert (tmp_path / "data" / "remote" / "scan.txt").read_text() == "somebody/remote"


def test_list_says_what_is_here_and_how_to_get_the_rest(
    plugin, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    plugin(get="register first")
    assert main(["data", "list", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (
        facts["mni-lesion"]["here"] == "embedded"
        and facts["lgg"]["get it"] == "python -m benchmark data fetch lgg"
    )
    assert facts["remote"]["get it"] == "register first" and facts["remote"]["licence"] == "CC0"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scan.txt").touch()
    assert main(["data", "list"]) == 0
    assert f"here:    {tmp_path / 'data'}" in capsys.readouterr().out


def test_split_is_written_and_used(tmp_path, capsys) -> None:
    for name in PATIENTS:
        write_patient(tmp_path / "kaggle_3m", name)
    command = ["data", "split", "lgg", "--root", str(tmp_path), "--out", str(tmp_path / "lgg.tsv")]
    assert main(command) == 0
    said, text = capsys.readouterr().out, (tmp_path / "lgg.tsv").read_text()
    assert (
        "sha256" in said
        and said.split()[-1] in text
        and "TCGA_CS_4941\t" in text
        and text.count("\n") == 2 + 4
    )
    assert main(command) == 2  # what was cited is not overwritten
    assert main(["data", "split", "lgg", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == text
    assert main(["data", "split", "mni-lesion"]) == 2
    assert "part of its plug-in" in capsys.readouterr().err
    (tmp_path / "lgg.tsv").write_text(text.replace("train", "val", 1))
    assert (
        main(
            [
                "data",
                "split",
                "lgg",
                "--root",
                str(tmp_path),
                "--set",
                f"splits={tmp_path / 'lgg.tsv'}",
            ]
        )
        == 2
    )
    assert "changed since" in capsys.readouterr().err
