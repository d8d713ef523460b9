# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The completion of a program in the languages of shells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from shlex import quote

from twisted_libp2p.options.completion import Choice, Tool, Values

__all__ = ["SHELLS"]

Kind = Values | tuple[str, ...]

_BASH = """\
_{name}() {{
    local IFS=$'\\n' word=${{COMP_WORDS[COMP_CWORD]}} last=${{COMP_WORDS[COMP_CWORD-1]}}
    local found= words=
    # --option=value comes as three words.
    if [[ $last == = ]]; then last=${{COMP_WORDS[COMP_CWORD-2]}}; fi
    if [[ $word == = ]]; then word=; fi
    if ((COMP_CWORD == 1)); then
        found=words words={tools}
    else
        case ${{COMP_WORDS[1]}},$last in
{values}
        esac
        [[ -n $found ]] || case ${{COMP_WORDS[1]}} in
{options}
        esac
    fi
    case $found in
        file) COMPREPLY=($(compgen -f -- "$word")) ;;
        folder) COMPREPLY=($(compgen -d -- "$word")) ;;
        words) COMPREPLY=($(compgen -W "${{words// /$IFS}}" -- "$word")) ;;
        *) COMPREPLY=() ;;
    esac
}}
complete -o filenames -F _{name} {name}
"""

_ZSH = """\
#compdef {name}
_{name}() {{
    local -a tools=({tools})
    if ((CURRENT == 2)); then
        _describe tool tools
        return
    fi
    shift words
    ((CURRENT--))
    case $words[1] in
{cases}
    esac
}}
if [[ $funcstack[1] == _{name} ]]; then _{name} "$@"; else compdef _{name} {name}; fi
"""


def bash(name: str, tools: list[Tool]) -> str:
    """
    Write a completion for bash, from version 3.2.
    """
    values: list[str] = []
    options: list[str] = []
    for tool in tools:
        for choice in tool.choices:
            if choice.values is not None:
                patterns = "|".join(f"{tool.name},{each}" for each in choice.names)
                values.append(f"            {patterns}) {_found(choice.values)} ;;")
        names = " ".join(choice.names[0] for choice in tool.choices)
        operand = _found(tool.operand)
        options.append(
            f"            {tool.name}) [[ $word == -* ]] &&"
            f" found=words words={quote(names)} || {{ {operand}; }} ;;"
        )
    return _BASH.format(
        name=name,
        tools=quote(" ".join(tool.name for tool in tools)),
        values="\n".join(values),
        options="\n".join(options),
    )


def _found(kind: Kind) -> str:
    """
    Return the commands of bash that name what is completed.
    """
    if isinstance(kind, tuple):
        return f"found=words words={quote(' '.join(kind))}"
    return f"found={kind.value}"


def zsh(name: str, tools: list[Tool]) -> str:
    """
    Write a completion for zsh: for a file in C{$fpath}, or to be evaluated.
    """
    cases = []
    for tool in tools:
        arguments = [quote(each) for each in _zshArguments(tool)]
        lines = " \\\n                ".join(["_arguments -s", *arguments])
        cases.append(f"        {tool.name})\n            {lines} ;;")
    described = (quote(f"{tool.name}:{tool.meaning}") for tool in tools)
    return _ZSH.format(name=name, tools=" ".join(described), cases="\n".join(cases))


def _zshArguments(tool: Tool) -> Iterator[str]:
    for choice in tool.choices:
        meaning = _zshText(choice.meaning)
        for each in choice.names:
            if choice.values is None:
                yield f"{each}[{meaning}]"
            else:
                equals = "=" if each.startswith("--") else ""
                yield f"*{each}{equals}[{meaning}]:value:{_zshAction(choice.values)}"
    yield f"*:operand:{_zshAction(tool.operand)}"


def _zshText(text: str) -> str:
    for special in "\\[]:":
        text = text.replace(special, f"\\{special}")
    return text


def _zshAction(kind: Kind) -> str:
    if isinstance(kind, tuple):
        return f"({' '.join(kind)})"
    return {Values.ANY: " ", Values.FILE: "_files", Values.FOLDER: "_files -/"}[kind]


def fish(name: str, tools: list[Tool]) -> str:
    """
    Write a completion for fish.
    """
    lines = [f"complete -c {name} -f"]
    for tool in tools:
        lines.append(
            f"complete -c {name} -n __fish_use_subcommand -a {tool.name}"
            f" -d {_fishText(tool.meaning)}"
        )
        seen = f"complete -c {name} -n '__fish_seen_subcommand_from {tool.name}'"
        operand = _fishAction(tool.operand)
        if operand:
            lines.append(f"{seen} {operand}")
        for choice in tool.choices:
            lines.append(" ".join([seen, *_fishWords(choice)]))
    return "\n".join(lines) + "\n"


def _fishWords(choice: Choice) -> Iterable[str]:
    for each in choice.names:
        yield f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}"
    if choice.values is not None:
        # No other value is a file.
        requires = "-r" if choice.values is Values.FILE else "-x"
        yield f"{requires} {_fishAction(choice.values)}".strip()
    yield f"-d {_fishText(choice.meaning)}"


def _fishText(text: str) -> str:
    # Unlike those of other shells, its single quotes know the backslash.
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _fishAction(kind: Kind) -> str:
    if isinstance(kind, tuple):
        return f"-a {_fishText(' '.join(kind))}"
    folders = "-a '(__fish_complete_directories)'"
    return {Values.ANY: "", Values.FILE: "-F", Values.FOLDER: folders}[kind]


#: What writes the completion of a program and its tools, by the name of the shell.
SHELLS: dict[str, Callable[[str, list[Tool]], str]] = {
    "bash": bash,
    "fish": fish,
    "zsh": zsh,
}
