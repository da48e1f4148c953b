"""Print a script that completes commands, options and plug-in names in bash, zsh or fish.

It completes `sinco-bench ...` and `python -m benchmark ...`; python's other uses keep completing
file names.

examples:
  source <(python -m benchmark completion bash)       this shell; as a line of ~/.bashrc every shell
  source <(python -m benchmark completion zsh)        the same; in ~/.zshrc after compinit
  python -m benchmark completion fish | source        the same; in ~/.config/fish/config.fish
"""

from __future__ import annotations

import argparse
import importlib

from benchmark.cli import COMMANDS
from benchmark.cli.parser import Parser
from benchmark.errors import BenchmarkError, InputError, did_you_mean
from benchmark.plan.recipes import PRESETS
from benchmark.plugins import index

# Options and arguments whose values are the names of plug-ins of a kind.
_NAMES_OF = {
    "inr": "inr",
    "segmenter": "segmenter",
    "reader": "segmenter",
    "dataset": "dataset",
    "optimizer": "optimizer",
    "codec": "codec",
    "regularizer": "regularizer",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="{bash,zsh,fish}", help="which shell's script to print")
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS).required = False


def run(args: argparse.Namespace) -> int:
    # The scripts come back with `completion words WORD... CURRENT`, so that they never know less
    # than the program does.
    if args.shell == "words":
        print("\n".join(candidates(args.words[:-1], args.words[-1] if args.words else "")))
        return 0
    if args.shell not in SCRIPTS:
        raise InputError(
            f"completion {args.shell}",
            "no script for that shell",
            did_you_mean(args.shell, SCRIPTS),
        )
    print(SCRIPTS[args.shell], end="")
    return 0


def candidates(words: list[str], current: str) -> list[str]:
    """What may follow `words` (the command and what stands before the cursor) and starts with
    `current`.
    """
    try:
        found = _after(words, current) if words else [*COMMANDS, "--help", "--version"]
    except (
        BenchmarkError
    ):  # a broken plug-in file says so when a command is run, not while one is typed
        found = []
    return [word for word in found if word.startswith(current)]


def _after(words: list[str], current: str) -> list[str]:
    if words[0] not in COMMANDS:
        return []
    parser = Parser(prog=words[0])
    parser.add_argument("--debug", action="store_true")
    importlib.import_module(f"benchmark.cli.{words[0]}").add_arguments(parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and (
            chosen := [w for w in words if w in action.choices]
        ):
            parser, words = (
                action.choices[chosen[0]],
                words[words.index(chosen[0]) :],
            )  # `data show ...`
    options = parser._option_string_actions
    if words[-1] in options and options[words[-1]].nargs != 0:
        return _values(options[words[-1]], words)
    if current.startswith("-"):
        return [name for name in options if name.startswith("--")]
    takes_value = {name for name, action in options.items() if action.nargs != 0}
    given = [
        word
        for before, word in zip(words, words[1:], strict=False)
        if not word.startswith("-") and before not in takes_value
    ]
    arguments = [action for action in parser._actions if not action.option_strings]
    return _values(arguments[len(given)], [words[0], *given]) if len(given) < len(arguments) else []


def _values(action: argparse.Action, words: list[str]) -> list[str]:
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    if action.dest in _NAMES_OF:
        return list(index.entries(_NAMES_OF[action.dest]))
    if action.dest == "preset":
        return list(PRESETS)
    if action.dest == "kind":
        return [*index.PACKAGES, "preset"]
    if action.dest == "name":  # `list KIND NAME`, `check KIND NAME`, `data show NAME`
        kind = "dataset" if words[-1] == "show" else words[-1]
        if kind == "preset":
            return list(PRESETS)
        return list(index.entries(kind)) if kind in index.PACKAGES else []
    if action.dest == "sets":  # --set
        chosen = set(words)
        entries = [
            entry
            for kind in index.PACKAGES
            for entry in index.entries(kind).values()
            if entry.name in chosen
        ]
        return sorted({f"{option.name}=" for entry in entries for option in entry.options})
    if action.dest == "shell":
        return list(SCRIPTS)
    return []


_BASH = """\
_sinco_bench() {
    local call skip
    if [[ ${COMP_WORDS[0]} == *sinco-bench ]]; then skip=1
    elif [[ ${COMP_WORDS[1]} == -m && ${COMP_WORDS[2]} == benchmark ]]; then skip=3
    else return; fi
    (( COMP_CWORD >= skip )) || return
    call=("${COMP_WORDS[@]:0:skip}")
    local IFS=$'\\n'
    COMPREPLY=($("${call[@]}" completion words "${COMP_WORDS[@]:skip:COMP_CWORD-skip+1}" 2>/dev/null))
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -o bashdefault -o default -F _sinco_bench sinco-bench python python3
"""

_ZSH = """\
_sinco_bench() {
    local skip
    local -a found
    if [[ $words[1] == *sinco-bench ]]; then skip=1
    elif [[ $words[2] == -m && $words[3] == benchmark ]] && (( CURRENT > 3 )); then skip=3
    else _python "$@"; return; fi
    found=(${(f)"$("${(@)words[1,skip]}" completion words "${(@)words[skip+1,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _sinco_bench sinco-bench python python3
"""

_FISH = """\
complete -c sinco-bench \\
    -a '(set -l w (commandline -opc) (commandline -ct); $w[1] completion words $w[2..-1] 2>/dev/null)'
for python in python python3
    complete -c $python -n 'string match -qr "^\\S+ -m benchmark " -- (commandline -pc)' \\
        -a '(set -l w (commandline -opc) (commandline -ct); $w[1] -m benchmark completion words $w[4..-1] 2>/dev/null)'
end
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
