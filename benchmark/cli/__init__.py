"""The command line: `python -m benchmark COMMAND`. One small file a command; each is imported only
when it is used.
"""

from __future__ import annotations

import importlib
import os
import sqlite3
import sys
import warnings

from benchmark.cli.notes import Notes
from benchmark.cli.parser import Parser
from benchmark.cli.words import shown
from benchmark.errors import BenchmarkError, InputError, did_you_mean

COMMANDS = {
    "run": "fit, encode, decode, score and compare: the main job",
    "plan": "what a run would do, what is stored already, and how long it would take",
    "profile": "where the time of a run goes, and how long it takes on this machine",
    "list": "the plug-ins: INRs, segmenters, data sets, codecs, and whether they can run here",
    "new": "write a plug-in file that passes the checks",
    "check": "run the contract checks of one plug-in",
    "train": "train a segmenter on a data set",
    "evaluate": "how well trained networks read originals: the bound for compressed images",
    "import": "take over weights made elsewhere: state dicts, torch.export, ONNX, nnU-Net",
    "learn": "learn an initial state of a backbone, for run --init learned",
    "tune": "search optimizers and learning rates: what sets the defaults",
    "data": "get a data set, check it, look at it, split it, or write one in another layout",
    "read": "strip, classify and segment one image, original or compressed",
    "decode": "turn a compressed file back into an image",
    "report": "make the tables and pictures of a stored run again",
    "forget": "take an experiment or cells out of a run's folder",
    "doctor": "what this machine has, what is missing, and what to type",
    "completion": "print the shell completion script",
}


CONFIGURED = ("run", "plan", "profile")  # take their options from --config FILE too


def _usage() -> str:
    lines = ["usage: python -m benchmark COMMAND [options]", "", "commands:"]
    lines += [f"  {name:<11} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            *lines,
            "",
            "examples:",
            "  python -m benchmark run --inr siren --lambda 1e-5",
            "  python -m benchmark run --help",
            "",
            "the command is called sinco-bench too; --version says which one this is",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 well, 1 some cells failed, 2 usage or input, 130
    interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    # Threads that spin while they wait make a fit 5 times slower as soon as anything else runs (2
    # cores, U-Net: 431 against 84 ms).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    debug = "--debug" in argv
    with warnings.catch_warnings():
        warnings.showwarning = notes = Notes(everything=debug)
        try:
            return _command(argv, debug)
        finally:
            notes.close()


def parser_of(command: str) -> Parser:
    """The parser of a command: its own options, and those of every command."""
    module = importlib.import_module(f"benchmark.cli.{command}")
    parser = Parser(prog=f"python -m benchmark {command}", description=module.__doc__)
    _add_common(parser)
    module.add_arguments(parser)
    if command in CONFIGURED:
        what = "options from a file; what is typed wins"
        parser.add_argument("--config", metavar="FILE.toml", help=what)
    return parser


def _add_common(parser: Parser) -> None:
    """The options of every command."""
    common = parser.add_argument_group("of every command")
    common.add_argument("--debug", action="store_true", help="show a traceback with an error")
    common.add_argument("--quiet", action="store_true", help="say nothing but errors, where it can")
    common.add_argument("--verbose", action="store_true", help="tell on stderr what is logged")


def _log_to_stderr() -> None:
    import logging

    logger = logging.getLogger("benchmark")
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)


def _out_of_memory(error: Exception) -> bool:
    """Whether numpy, or torch in an error of another kind, got no memory."""
    if isinstance(error, RuntimeError):
        return "allocate memory" in str(error) or "CUDA out of memory" in str(error)
    return isinstance(error, MemoryError)


def _command(argv: list[str], debug: bool) -> int:
    """Run a command; what goes wrong becomes three lines and an exit code."""
    try:
        return _run(argv)
    except BenchmarkError as error:
        if debug:
            raise
        print(shown(error), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # `| head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted", file=sys.stderr)
        return 130
    except (MemoryError, RuntimeError, sqlite3.Error, OSError) as error:
        told = _told(error)
        if debug or told is None:
            raise
        found, todo = told
        asked = f"python -m benchmark {' '.join(argv)}"
        print(f"asked: {asked}\nfound: {found}\n  try: {todo}", file=sys.stderr)
        return 2


def _run(argv: list[str]) -> int:
    """Load one command, read its options and run it."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage())
        return 0 if argv else 2
    if argv[0] == "--version":
        from benchmark import __version__

        print(__version__)
        return 0
    if argv[0] not in COMMANDS:
        raise InputError(
            f"python -m benchmark {argv[0]}", "no such command", did_you_mean(argv[0], COMMANDS)
        )
    module = importlib.import_module(f"benchmark.cli.{argv[0]}")
    parser = parser_of(argv[0])
    words = argv[1:]
    if argv[0] in CONFIGURED:
        from benchmark.cli.config import expanded

        words = expanded(words, parser)
    args = parser.parse_args(words)
    if args.verbose:
        _log_to_stderr()
    if plugins := getattr(args, "plugin", ()):
        from benchmark.plugins.index import add_plugin_file

        for path in plugins:
            add_plugin_file(path)
    code: int = module.run(args)
    return code


def _told(error: Exception) -> tuple[str, str] | None:
    """What was found, and what to try, where the machine and not the program is at fault; None
    where that is not known.
    """
    if _out_of_memory(error):
        return (
            f"it takes more memory than there is: {str(error).strip()[-200:]}",
            "smaller images (--size, --set size=), fewer at once (--batch, --limit), or a machine"
            " with more memory",
        )
    if isinstance(error, sqlite3.Error):
        return (
            f"the store cannot be read: {error}",
            "another --out; a damaged store can often be saved with `sqlite3 store.sqlite"
            " .recover`",
        )
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return (
            f"{error.strerror or error}{where}",
            "another folder, more space or other permissions; --debug shows where",
        )
    return None
