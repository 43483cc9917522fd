#!/usr/bin/env python3
"""soak.py URL PID REQUESTS: the same work again and again, while what the process holds must not grow.

Owners come, are looked up and go, so that the pool is equally full all the time: a third each of allocations, reads and
releases, pipelined over a few connections. The resident memory is printed at each tenth of the way. The first two tenths
fill caches and buffers; from there on it may grow by a twentieth and 4 MiB, or the exit code is 1. So it is when a
request is answered with anything but success.
"""
import re
import socket
import sys
import time
import urllib.parse

CONNECTIONS = 4
OWNERS = 64  # at a time and connection, all in one write
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


class Connection:
    def __init__(self, place):
        self.socket = socket.create_connection(place, timeout=30)
        self.host = f"{place[0]}:{place[1]}"

    def ask(self, requests):
        """Sends all, reads all answers, returns their statuses."""
        self.socket.sendall(b"".join(requests))
        statuses, rest = [], b""
        while len(statuses) < len(requests):
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise SystemExit("the server closed a connection")
            rest += piece
            while (end := rest.find(b"\r\n\r\n")) >= 0:
                head = rest[:end]
                length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
                if len(rest) < end + 4 + length:
                    break
                statuses.append(int(STATUS.match(head).group(1)))
                rest = rest[end + 4 + length:]
        return statuses

    def request(self, method, path, body=b""):
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body


def turn(connection, number):
    """OWNERS come, are read and go again."""
    names = [f"vm-{number:09}-{place:03}" for place in range(OWNERS)]
    statuses = []
    statuses += connection.ask([connection.request("POST", "/api/v1/ip/allocate", b'{"vm_id":"%s"}' % name.encode())
                                for name in names])
    statuses += connection.ask([connection.request("GET", f"/api/v1/ip/{name}") for name in names])
    statuses += connection.ask([connection.request("DELETE", f"/api/v1/ip/release/{name}") for name in names])
    wrong = [status for status in statuses if status not in (200, 201)]
    if wrong:
        raise SystemExit(f"answered with {wrong[0]} ({len(wrong)} of {len(statuses)})")
    return len(statuses)


def main():
    url, pid, wanted = urllib.parse.urlparse(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    connections = [Connection((url.hostname, url.port)) for _ in range(CONNECTIONS)]
    done, number, marks, begin = 0, 0, [], time.monotonic()
    while done < wanted:
        done += turn(connections[number % CONNECTIONS], number)
        number += 1
        if done >= (len(marks) + 1) * wanted / 10:
            marks.append(resident(pid))
            print(f"{done} requests: {marks[-1] / 2**20:.1f} MiB", flush=True)
    settled, end = marks[1], marks[-1]
    rate = done / (time.monotonic() - begin)
    print(f"{done} requests, {rate:.0f}/s, resident {settled / 2**20:.1f} MiB after a fifth, {end / 2**20:.1f} MiB at the end")
    raise SystemExit(0 if end <= settled * 1.05 + (4 << 20) else "resident memory grew")


if __name__ == "__main__":
    main()
