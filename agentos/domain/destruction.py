"""Which shell lines an agent is refused before anything runs: what deletes beyond its tree, and what acts on the world (pure).

It saves an agent the damage it means no harm with, and tells it why. It is no wall: a line that is written to get past it meets
the box, which holds whatever the words.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from posixpath import basename, normpath

_SEPARATORS = frozenset(";&|()\n")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash"})
_WRAPPERS = frozenset(
    [
        "env",
        "command",
        "builtin",
        "exec",
        "nohup",
        "setsid",
        "time",
        "stdbuf",
        "xargs",
        "nice",
        "ionice",
        "timeout",
        "busybox",
        "chronic",
        "if",
        "then",
        "else",
        "elif",
        "while",
        "until",
        "do",
        "!",
        "{",
    ]
)
"""Words before the command that counts."""
_VALUED = frozenset(["-I", "-n", "-P", "-L", "-d", "-a", "-E", "-s", "-u", "-k", "-c", "-C", "-H"]) | frozenset(
    [
        "--namespace",
        "--context",
        "--profile",
        "--region",
        "--kubeconfig",
        "--git-dir",
        "--work-tree",
        "--prefix",
        "--registry",
    ]
)
"""Options that take the next word."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=.*", re.DOTALL)
_HEREDOC = re.compile(
    r"<<-?\s*(?P<quote>['\"]?)(?P<end>\w+)(?P=quote)(?P<rest>[^\n]*)\n(?P<body>.*?)(?:\n\s*(?P=end)[ \t]*(?=\n|$)|\Z)",
    re.DOTALL,
)
_INNER = re.compile(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_BOMB = re.compile(r"(?P<name>[\w:.]+)\s*\(\)\s*\{\s*(?P=name)\s*\|\s*(?P=name)\s*&")
_ITS_OWN = ("/tmp", "/dev", "/proc/self")  # noqa: S108 - in the box these are the command's own
_DEVICE = re.compile(r"/dev/(?:sd|hd|vd|xvd|nvme|mmcblk|loop|dm-|mapper/|mem|kmem|port)")
_HERE = re.compile(r"\$\{?PWD\}?|\$\(pwd\)|`pwd`")
_HOME = re.compile(r"(?:~|\$\{?HOME\}?)(?:/|$)")
_REMOTE = frozenset({"curl", "wget", "fetch", "http", "https"})

_CHANGES = "changes something outside of the working folder"
REFUSED: dict[str, str] = {
    "asks for the rights of somebody else": "sudo; su; doas; pkexec; runuser",
    "acts on the machine": "shutdown; reboot; halt; poweroff; init; telinit; systemctl; service; crontab; at; batch; fdisk; "
    "sfdisk; parted; wipefs; mkswap; mount; umount; losetup; insmod; modprobe",
    "ends processes by their name, which others may share": "killall; pkill",
    "destroys beyond recovery": "shred; srm; dropdb; mysqladmin drop",
    "changes what is recorded in git: commits are made for you": "git commit; git rebase; git merge; git cherry-pick; git revert; "
    "git am; git reset --hard; git reset --merge; git checkout -f; git checkout --force; git switch; git stash; git branch -D; "
    "git branch -d; git branch -f; git tag -d; git gc; git prune; git reflog expire; git reflog delete; git filter-branch; "
    "git filter-repo; git update-ref; git worktree add; git worktree remove",
    "deletes all that is not committed, and nothing of yours is: delete what you made, by name": "git clean",
    "changes settings beyond this tree": "git config --global; git config --system",
    "acts on a forge, which only people and AgentOS do": "gh; glab; hub; git push; git remote add; git remote set-url",
    "publishes something, which only people do": "npm publish; npm unpublish; npm deprecate; pnpm publish; yarn publish; "
    "yarn npm publish; cargo publish; cargo yank; twine upload; uv publish; poetry publish; gem push; gem yank; docker push; "
    "podman push",
    "changes something that runs elsewhere": "docker rm; docker rmi; docker system prune; docker volume rm; docker volume prune; "
    "podman rm; podman rmi; podman system prune; kubectl delete; kubectl apply; kubectl replace; kubectl patch; kubectl drain; "
    "helm install; helm upgrade; helm uninstall; helm delete; terraform apply; terraform destroy; terraform state rm; tofu apply; "
    "tofu destroy; aws s3 rm; aws s3 rb; aws s3 sync; aws ec2 terminate-instances; gcloud delete; az delete; "
    "redis-cli flushall; redis-cli flushdb",
}
"""What is wrong with a command -> the commands, each with the words that make it one of these."""
_ANYWHERE = frozenset({"gcloud", "az", "redis-cli"})
"""Commands whose words may stand anywhere."""
_PHRASES = [(phrase.split(), reason) for reason, said in REFUSED.items() for phrase in said.split("; ")]


def refusal_of_line(line: str, roots: Iterable[str]) -> str:
    """Why an agent may not run the shell line `line`; empty where it may. `roots`: the folders it may delete in, absolute, the
    working folder first. What cannot be read as a shell line is for the shell to complain about."""
    held = tuple(normpath(root) for root in roots)
    if _BOMB.search(line):
        return "it starts itself without end"
    try:
        commands = list(_commands(line))
    except ValueError:
        return ""
    except RecursionError:
        return "it is nested too deep to be read"
    if any(
        first[0] in _REMOTE and then[0] in (_SHELLS | {"python", "python3", "node", "perl"})
        for first, then in _piped(line)
    ):
        return "it runs what was just fetched, unread: fetch it, read it, and run what you have read"
    return next((f"`{' '.join(words)[:120]}` {reason}" for words in commands if (reason := _refusal(words, held))), "")


def _refusal(words: Sequence[str], roots: tuple[str, ...]) -> str:
    name, arguments = basename(words[0]), words[1:]
    if name.startswith("mkfs") or any(
        _DEVICE.search(each) for each in arguments if name in ("dd", "cp", "tee", ">", "cat", "mv")
    ):
        return "writes to a device"
    if name == ">":
        return _CHANGES if _is_outside(arguments[0], roots) else ""
    for (program, *wanted), reason in _PHRASES:
        if name == program and _holds(name, arguments, wanted):
            return reason
    if name == "kill" and "-1" in arguments[1:]:
        return "ends every process there is"
    return _refusal_of_deleting(name, arguments, roots)


def _holds(name: str, arguments: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether `wanted` are said to `name`: first its verb, or, for those that take it anywhere, somewhere."""
    if name in _ANYWHERE:
        return wanted[0] in (each.lower() for each in arguments)
    rest = _after_options(arguments)
    return not wanted or (rest[:1] == list(wanted[:1]) and set(wanted[1:]) <= set(rest[1:]))


def _after_options(words: Sequence[str]) -> list[str]:
    rest = list(words)
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in _VALUED else rest[1:]
    return rest


def _refusal_of_deleting(name: str, arguments: Sequence[str], roots: tuple[str, ...]) -> str:
    operands = [each for each in arguments if not each.startswith("-")]
    flags = {each for each in arguments if each.startswith("-")}
    if name in ("rm", "rmdir", "unlink"):
        deep = any(re.fullmatch(r"-[A-Za-z]*[rR][A-Za-z]*|--recursive", flag) for flag in flags)
        return next((reason for each in operands if (reason := _reach(each, roots, deep=deep))), "")
    if name == "find" and ("-delete" in flags or ({"-exec", "-execdir"} & flags and "rm" in map(basename, operands))):
        starts = list(takewhile(lambda each: not each.startswith(("-", "(", "!")), arguments))
        narrowed = any(
            flag in flags
            for flag in ("-name", "-iname", "-path", "-ipath", "-regex", "-newer", "-empty", "-type", "-maxdepth")
        )
        return next((reason for each in starts or ["."] if (reason := _reach(each, roots, deep=not narrowed))), "")
    if name in ("chmod", "chown", "chgrp", "truncate", "mv") and operands:
        outside = [
            each for each in (operands if name == "mv" else operands[1:] or operands) if _is_outside(each, roots)
        ]
        return _CHANGES if outside else ""
    return ""


def _reach(operand: str, roots: tuple[str, ...], *, deep: bool) -> str:
    """What is wrong with deleting `operand`."""
    plain = normpath(_HERE.sub(".", operand) or ".")
    if _is_outside(operand, roots):
        return "deletes outside of the working folder: delete what you made, by name"
    if ".git" in plain.split("/"):
        return "deletes what git keeps"
    if deep and (plain in (".", "*", "./*", "{*,.*}", ".*", *roots) or plain in {f"{root}/*" for root in roots}):
        return "deletes the whole working folder: delete what you made, by name"
    return ""


def _is_outside(operand: str, roots: tuple[str, ...]) -> bool:
    if _HOME.match(operand) or operand.startswith("~"):
        return True
    plain = normpath(operand)
    if plain.startswith("/"):
        return not any(plain == root or plain.startswith(f"{root}/") for root in (*roots, *_ITS_OWN))
    return plain == ".." or plain.startswith("../")


def _commands(line: str) -> Iterator[list[str]]:
    """Every simple command of the line, those of inner shells and substitutions too; a redirection is one called `>`."""
    for words in _simple(_without_data(line)):
        for word in words:
            for inner in _INNER.finditer(word):
                yield from _commands(inner[1])
        command = _unwrapped(words)
        if command:
            yield command
            yield from _within(command)


def _within(command: Sequence[str]) -> Iterator[list[str]]:
    """The commands that this one runs."""
    name = basename(command[0])
    told = _told(command) if name in _SHELLS else " ".join(command[1:]) if name == "eval" else ""
    if told:
        yield from _commands(told)


def _told(words: Sequence[str]) -> str:
    """The line that a shell is given with `-c`."""
    for place, word in enumerate(words[:-1]):
        if re.fullmatch(r"-[a-z]*c[a-z]*", word):
            return words[place + 1]
    return ""


def _simple(line: str) -> Iterator[list[str]]:
    words: list[str] = []
    tokens = iter(_tokens(line))
    for token in tokens:
        if token and set(token) <= _SEPARATORS:
            yield from filter(None, [words])
            words = []
        elif token and set(token) <= set("<>&|") and ">" in token:
            yield [">", next(tokens, "")]
        else:
            words.append(token)
    yield from filter(None, [words])


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(_one_way(line.replace("\\\n", " ")), posix=True, punctuation_chars=";&|()<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    return list(lexer)


def _one_way(line: str) -> str:
    """The line with each substitution written as `$(…)`, and none where quotes make it plain text."""
    said, quote, is_open = [], "", False
    for place, char in enumerate(line):
        if char in "'\"" and quote in ("", char) and line[place - 1 : place] != "\\":
            quote = "" if quote else char
        plain = quote == "'" and (char == "`" or line[place : place + 2] == "$(")
        if char == "`" and not plain:
            is_open = not is_open
            said.append("$(" if is_open else ")")
        else:
            said.append("\0" if plain else char)
    return "".join(said)


def _piped(line: str) -> Iterator[tuple[list[str], list[str]]]:
    """Neighbours in a pipe."""
    for part in re.split(r"[;\n]|&&|\|\|", _without_data(line)):
        row = [words for each in part.split("|") if (words := _unwrapped(each.split()))]
        named = [[basename(words[0]), *words[1:]] for words in row]
        yield from ((first, last) for place, first in enumerate(named) for last in named[place + 1 :])


def _unwrapped(words: Sequence[str]) -> list[str]:
    """The command without assignments, wrappers and their options; nothing where it only asks for a command."""
    rest = list(words)
    while rest:
        name = basename(rest[0])
        if name == "command" and rest[1:2] in (["-v"], ["-V"]):
            return []
        if name in _WRAPPERS:
            rest = _after_options(rest[1:])
            rest = rest[1:] if name == "timeout" else rest
        elif _ASSIGNMENT.fullmatch(rest[0]):
            rest = rest[1:]
        else:
            break
    return rest


def _without_data(line: str) -> str:
    """The line without what it only writes down: here-documents that no shell reads."""

    def kept(found: re.Match[str]) -> str:
        before = line[: found.start()].rpartition("\n")[2]
        reader = _unwrapped(re.split(r"[;&|(]", before)[-1].split())
        reads = bool(reader) and basename(reader[0]) in _SHELLS
        return f"{found['rest']}\n{found['body']}\n" if reads else f"{found['rest']}\n"

    return _HEREDOC.sub(kept, line)
