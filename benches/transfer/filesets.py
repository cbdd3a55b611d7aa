"""The file sets: what is moved, where it lies, and whether all of it arrived."""

import hashlib
import os
import pathlib
import random
import shlex
import subprocess
from dataclasses import dataclass

from shell import Failed

KILO, MEGA = 1000, 1000 * 1000


@dataclass
class FileSet:
    """Files of one size in one directory, of random bytes or like images."""

    key: str
    count: int
    size: int
    directory: pathlib.Path
    hashes: dict

    @property
    def label(self):
        size = f"{self.size // MEGA} MB" if self.size >= MEGA else f"{self.size // KILO} kB"
        return f"{self.count} files of {size}"

    @property
    def bytes(self):
        return self.count * self.size

    def lists(self, count):
        """The names in `count` parts."""
        names = list(self.hashes)
        return [names[n::count] for n in range(count)]


def make(key, scale, base):
    count, size = {
        "small": (max(8, round(10_000 * scale)), 10 * KILO),
        "mid": (max(8, round(1000 * scale)), MEGA),
        # as many streams should have something to do, so the files shrink and not their number
        "big": (10, max(MEGA, round(100 * MEGA * scale))),
        "images": (10, max(MEGA, round(100 * MEGA * scale))),
    }[key]
    directory = pathlib.Path(base) / key
    directory.mkdir()
    hashes = {}
    for n in range(count):
        name, data = f"f{n:05}", image(size) if key == "images" else os.urandom(size)
        hashes[name] = hashlib.sha256(data).hexdigest()
        (directory / name).write_bytes(data)
    return FileSet(key, count, size, directory, hashes)


def image(size):
    """Pixels of 16 bits, 7 of them noise: what a detector sees of the sky."""
    pixels = bytearray(b"\x03" * size)
    noise = os.urandom((size + 1) // 2)
    pixels[::2] = noise.translate(bytes(value & 127 for value in range(256)))
    return bytes(pixels)


def place(lab, files, parent):
    """A copy on the front end, for pulls; not over the link."""
    into = shlex.quote(parent)
    tar = subprocess.Popen(
        ["tar", "-C", files.directory.parent, "-cf", "-", files.key], stdout=subprocess.PIPE
    )
    lab.fe(f"mkdir -p {into} && tar -C {into} -xf -", stdin=tar.stdout)
    if tar.wait():
        raise Failed("tar of a file set failed")


class Place:
    """A directory on the front end (with the lab) or here (without)."""

    def __init__(self, path, lab=None):
        self.path = str(path)
        self.lab = lab

    def _script(self, text, stdin=None):
        if self.lab:
            return self.lab.fe(text, stdin)
        said = subprocess.run(
            ["sh", "-c", text], capture_output=True, text=True, input=stdin or "", check=False
        )
        if said.returncode:
            raise Failed(said.stderr.strip()[-300:])
        return said.stdout

    def make(self):
        self._script(f"mkdir -p {shlex.quote(self.path)}")

    def remove(self):
        self._script(f"rm -rf {shlex.quote(self.path)}")

    def arrived(self, files):
        """Files that are there in full, and all bytes that are there, as long as it goes on."""
        text = self._script(
            f"find {shlex.quote(self.path)} -type f -printf '%f %s\\n' 2>/dev/null || :"
        )
        found = [line.rsplit(" ", 1) for line in text.splitlines()]
        full = {name for name, size in found if name in files.hashes and int(size) == files.size}
        return len(full), min(files.bytes, sum(int(size) for _, size in found))

    def check(self, files, sample):
        """Raises if a file is missing, short or (of `sample` files; None: all) different."""
        full, _ = self.arrived(files)
        if full != files.count:
            raise Failed(f"{files.count - full} of {files.count} files are missing or short")
        names = list(files.hashes)
        if sample is not None and sample < len(names):
            names = random.sample(names, sample)
        # ours may put the directory itself or its files there
        text = self._script(
            f"cd {shlex.quote(self.path)} && "
            "cd \"$(dirname \"$(find . -type f -name 'f*' | head -n 1)\")\" && xargs sha256sum",
            "".join(name + "\n" for name in names),
        )
        there = {}
        for line in text.splitlines():
            digest, name = line.split("  ", 1)
            there[name] = digest
        wrong = [name for name in names if there.get(name) != files.hashes[name]]
        if wrong:
            raise Failed(f"{len(wrong)} of {len(names)} files differ, such as {wrong[0]}")
