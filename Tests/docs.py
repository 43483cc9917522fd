#!/usr/bin/env python3
"""Runs the commands of the documents against a fresh server.

usage: Tests/docs.py [--write] BERTH [DOCUMENT...]

Of each document every block marked ```sh is run, in order, in one temporary directory with one fresh server whose
data lies in ./berth-data. Port 8080 in a block stands for the server's real port, BERTH_SERVER names it, and `berth` is the binary
under test. A block fails when one of its lines does; a block that begins with `# fails` has to fail.

A block marked ```text right behind it is what the commands print; `...` in it stands for anything. With --write, blocks
that differ are replaced by what was printed.

A block that needs a program which is not installed is skipped, and a line says so. A block that leaves a process running
writes its pid into a file called *.pid; it is ended with the document. The server takes nodes for lost after three
seconds instead of fifteen.
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENTS = ["README.md", "docs/api.md", "docs/guide-pools.md", "docs/guide-fleet.md",
             "docs/guide-migration.md", "docs/guide-operation.md",
             "docs/guide-security.md", "docs/guide-troubleshooting.md", "docs/adding-scheduler.md"]
PROGRAMS = ["curl", "jq", "sqlite3", "promtool", "openssl"]
BLOCK_SECONDS = 60
START_SECONDS = 20


class Block:
    def __init__(self, kind, line):
        self.kind, self.line, self.lines = kind, line, []

    @property
    def text(self):
        return "".join(self.lines)


def blocks(lines):
    """The fenced blocks of a document, each with the number of its first line."""
    found, open_block = [], None
    for number, line in enumerate(lines, 1):
        fence = re.match(r"^```(\w*)\s*$", line)
        if fence and open_block is None:
            open_block = Block(fence.group(1), number + 1)
        elif fence:
            open_block.end = number
            found.append(open_block)
            open_block = None
        elif open_block is not None:
            open_block.lines.append(line)
    if open_block is not None:
        raise SystemExit(f"line {open_block.line}: this block has no end")
    return found


def expected_output(all_blocks, index, lines):
    """The ```text block behind a block, with nothing but blank lines between, or None."""
    if index + 1 == len(all_blocks) or all_blocks[index + 1].kind != "text":
        return None
    between = lines[all_blocks[index].end:all_blocks[index + 1].line - 2]
    return all_blocks[index + 1] if not "".join(between).strip() else None


def matches(expected, actual):
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, actual.strip(), re.DOTALL) is not None


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(process, port):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            process.wait(timeout=0.05)
            raise SystemExit(f"berth serve ended with {process.returncode}")
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
            return
    raise SystemExit(f"berth serve did not answer in {START_SECONDS} s")


@contextlib.contextmanager
def server(berth, folder, port):
    with open(os.path.join(folder, "serve.log"), "wb") as log:
        process = subprocess.Popen([berth, "serve", "--data-dir", "berth-data", "-p", str(port)], cwd=folder,
                                   env={**environment(port, folder), "BERTH_NODE_LEASE_SECONDS": "3"}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until_it_answers(process, port)
            yield
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def environment(port, folder):
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "PATH": folder + "/bin:" + kept.get("PATH", "/usr/bin:/bin"), "HOME": folder,
            "BERTH_SERVER": f"http://127.0.0.1:{port}"}


def run(block, folder, port):
    """The exit code and what was printed."""
    script = re.sub(r"(?<=:)8080\b", str(port), block.text)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment(port, folder),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=BLOCK_SECONDS, text=True)
    return done.returncode, done.stdout.replace(f":{port}", ":8080")


def end_what_runs(folder):
    """Ends processes that blocks have left; their parents are gone, so their pids are looked at before they are used."""
    for name in os.listdir(folder):
        if not name.endswith(".pid"):
            continue
        with contextlib.suppress(OSError, ValueError):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                pid = int(file.read())
            if os.readlink(f"/proc/{pid}/cwd") == folder:
                os.kill(pid, signal.SIGKILL)


def check(document, berth, write):
    """How many blocks ran and what is wrong."""
    path = os.path.join(ROOT, document)
    with open(path, encoding="utf-8") as file:
        lines = file.readlines()
    all_blocks = blocks(lines)
    if not any(block.kind == "sh" for block in all_blocks):
        return 0, []
    wrong, count, replaced = [], 0, []
    folder = tempfile.mkdtemp(prefix="berth-docs-")
    try:
        os.mkdir(folder + "/bin")
        os.symlink(os.path.abspath(berth), folder + "/bin/berth")
        port = free_port()
        with server(os.path.abspath(berth), folder, port):
            for index, block in enumerate(all_blocks):
                if block.kind != "sh":
                    continue
                missing = [name for name in PROGRAMS
                           if re.search(rf"\b{name}\b", block.text) and not shutil.which(name)]
                if missing:
                    print(f"skipped {document}:{block.line}: {', '.join(missing)} is not installed")
                    continue
                count += 1
                place = f"{document}:{block.line}"
                code, output = run(block, folder, port)
                if (code == 0) == block.text.startswith("# fails"):
                    wanted = "a failure" if code == 0 else "success"
                    wrong.append(f"{place}: exit code {code}, {wanted} was promised\n{block.text}{output}")
                expected = expected_output(all_blocks, index, lines)
                if expected is not None and not matches(expected.text, output):
                    replaced.append((expected, output))
                    if not write:
                        wrong.append(f"{place}: prints\n{output}\n  and not\n{expected.text}")
    finally:
        end_what_runs(folder)
        shutil.rmtree(folder, ignore_errors=True)
    if write:
        for block, output in reversed(replaced):
            lines[block.line - 1:block.end - 1] = [output.rstrip() + "\n"]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines)
    return count, wrong


def main():
    arguments = sys.argv[1:]
    write = "--write" in arguments
    arguments = [word for word in arguments if word != "--write"]
    if not arguments or arguments[0].startswith("-"):
        raise SystemExit(__doc__)
    berth, documents = arguments[0], arguments[1:] or DOCUMENTS
    if not os.access(berth, os.X_OK):
        raise SystemExit(f"{berth} is no program: `make build` makes .build/release/berth")
    total, wrong = 0, []
    for document in documents:
        count, complaints = check(document, berth, write)
        print(f"{document}: {count} blocks")
        total += count
        wrong += complaints
    for complaint in wrong:
        print("\nFAILED " + complaint)
    print(f"{total} blocks ran, {len(wrong)} failed")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
